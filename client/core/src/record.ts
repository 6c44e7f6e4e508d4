/**
 * The record of a room as the server tells it, read and put into words. All
 * that is known of the answer's shape is here; lines that do not fit it are
 * left out, the rest is shown.
 */
import { toolWords } from "./approvals.ts";
import type { Role } from "./protocol.ts";

export type Outcome = "begun" | "done" | "refused" | "failed" | "cancelled";

export interface RecordLine {
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
  /** Nobody when the room did it by itself. */
  who: { id: string; name: string; role: Role | "room" };
  kind: string;
  /** What happened, in words. */
  what: string;
  /** As the server calls it. */
  named: string;
  /** What somebody wrote: a note, a message, a reason. */
  said: string;
  /** Origin and path of the page. */
  where: string;
  outcome: Outcome;
  /** Why it came out so. */
  reason: string;
  /** The line that began what this one ends. */
  of: number | null;
  /** The conversation with an agent that it is part of. */
  session: { id: string; project: string } | null;
}

export interface RecordPage {
  /** Newest first. */
  lines: RecordLine[];
  /** What to ask with for the ones before; nothing at the end. */
  next: string | null;
}

export interface RecordFilter {
  who: string;
  kind: string;
  refused: boolean;
}

export const NO_FILTER: RecordFilter = { who: "", kind: "", refused: false };
export const RECORD_PAGE = 100;

/** What can be asked for, and how it is called. */
export const RECORD_KINDS: Readonly<Record<string, string>> = {
  act: "Agents' acts",
  look: "Agents' looks",
  input: "People's hands",
  decision: "Rules at work",
  approval: "Questions",
  floor: "Who acts",
  join: "Coming",
  leave: "Going",
  setting: "Settings",
  rules: "Changes of rules",
  help: "Help",
  token: "Tokens",
  room: "The room",
  record: "The record",
};

type Fields = { [name: string]: unknown };
const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" ? value : 0);

/** Where the record of a room is searched, and where all of it is fetched, below the server's address. */
export const recordPath = (room: string): string => `api/rooms/${encodeURIComponent(room)}/audit`;
export const exportPath = (room: string): string => `${recordPath(room)}.jsonl`;

/** The query of a page of the record, as names and values. */
export function recordQuery(filter: RecordFilter, cursor: string | null): Record<string, string> {
  return {
    limit: String(RECORD_PAGE),
    ...(cursor === null ? {} : { cursor }),
    ...(filter.who ? { who: filter.who } : {}),
    ...(filter.kind ? { kind: filter.kind } : {}),
    ...(filter.refused ? { outcome: "refused" } : {}),
  };
}

/** `null` when it is no page of a record. */
export function readRecord(value: unknown): RecordPage | null {
  if (!isRecord(value) || !Array.isArray(value.lines)) return null;
  const lines = value.lines
    .map(each => readLine(isRecord(each) && isRecord(each.line) ? each.line : each))
    .filter(line => line !== null);
  lines.sort((a, b) => b.seq - a.seq);
  const next = value.cursor ?? null;
  return { lines, next: next === null ? null : String(next) };
}

const OUTCOMES: ReadonlySet<string> = new Set(["begun", "done", "refused", "failed", "cancelled"]);

function readLine(value: unknown): RecordLine | null {
  if (!isRecord(value) || typeof value.seq !== "number" || typeof value.at !== "number")
    return null;
  const who = isRecord(value.who) ? value.who : {};
  const details = isRecord(value.details) ? value.details : {};
  const [kind, named] = [text(value.kind), text(value.what)];
  const outcome = text(value.outcome);
  return {
    seq: value.seq,
    at: value.at,
    who: {
      id: text(who.id),
      name: text(who.name) || "The room",
      role: (text(who.role) || "room") as RecordLine["who"]["role"],
    },
    kind,
    what: whatWords(kind, named, details),
    named,
    said:
      text(details.note) || text(details.message) || (kind === "help" ? text(details.reason) : ""),
    where: text(value.page),
    outcome: OUTCOMES.has(outcome) ? (outcome as Outcome) : "done",
    reason: text(value.reason),
    of: typeof value.of === "number" ? value.of : null,
    session: text(details.session)
      ? { id: text(details.session), project: text(details.project) || "main" }
      : null,
  };
}

const FLOOR: Readonly<Record<string, string>> = {
  "took over": "Took over",
  "handed back": "Handed back",
  turn: "Has the turn",
  free: "Nobody's turn",
  asked: "Asked for a turn",
  "take over": "Wanted to take over",
  "hand back": "Wanted to hand back",
  ask: "Asked for a turn",
  withdraw: "Stopped asking for a turn",
  give: "Gave the turn on",
  mode: "Wanted another mode",
};
const ANSWERS: Readonly<Record<string, string>> = {
  once: "Said yes, once",
  "always-for-origin": "Said yes, always on this site",
  deny: "Said no",
};
const MODE_NAMES: Readonly<Record<string, string>> = {
  together: "Together",
  turns: "Turns",
  watch: "Watch only",
  "hands-off": "Hands off",
};

function whatWords(kind: string, named: string, details: Fields): string {
  switch (kind) {
    case "act":
    case "look":
    case "decision":
      return toolLine(named, details);
    case "input":
      return handsWords(details);
    case "approval": {
      const tool = text(details.tool);
      const of = tool ? `: ${toolWords(tool)}` : "";
      if (named === "answered") return `${ANSWERS[text(details.answer)] ?? "Answered"}${of}`;
      if (named === "ended") return `The question ended${of}`;
      return `Wants a yes: ${toolLine(named, details)}`;
    }
    case "floor":
      return FLOOR[named] ?? sentence(named);
    case "join":
      return "Came in";
    case "leave":
      return "Left";
    case "setting":
      if (named === "mode") {
        return `Changed who may act: ${MODE_NAMES[text(details.mode)] ?? text(details.mode)}`;
      }
      if (named === "size") {
        return `Changed the size: ${number(details.width)} × ${number(details.height)}`;
      }
      return `Changed ${named}`;
    case "rules":
      return named === "added" ? "A rule was made by saying always" : "Changed the rules";
    case "help":
      return named === "asked" ? "Asked for help" : `Help: ${named}`;
    case "token":
      return `A token was ${named}`;
    default:
      return sentence(named) || RECORD_KINDS[kind] || kind;
  }
}

function toolLine(tool: string, details: Fields): string {
  const targets = Array.isArray(details.targets) ? details.targets.filter(isRecord) : [];
  const [first] = targets;
  const name = text(details.element) || text(first?.name);
  if (name) return `${toolWords(tool)} “${name}”`;
  const url = text(details.url);
  return url ? `${toolWords(tool)} ${url}` : toolWords(tool);
}

function handsWords(details: Fields): string {
  const some = (many: number, one: string, more: string): string[] =>
    many === 0 ? [] : [many === 1 ? `1 ${one}` : `${many} ${more}`];
  // What goes down comes up again: two for one.
  const halves = (many: number): number => Math.ceil(many / 2);
  const parts = [
    ...some(halves(number(details.presses)), "press", "presses"),
    ...some(halves(number(details.keys)), "key", "keys"),
    ...some(number(details.scrolls), "scroll", "scrolls"),
    ...some(number(details.texts), "text", "texts"),
  ];
  return parts.length > 0 ? `Acted: ${parts.join(", ")}` : "Acted";
}

const sentence = (words: string): string =>
  words.charAt(0).toLocaleUpperCase() + words.slice(1).replaceAll(/[-_]/g, " ");

/** Puts lines that came later, or from before, to those that are there. */
export function joinLines(known: readonly RecordLine[], more: readonly RecordLine[]): RecordLine[] {
  const bySeq = new Map(known.map(line => [line.seq, line]));
  for (const line of more) bySeq.set(line.seq, line);
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
}

/** What began and what it came to are one line, where both are there. */
export function foldLines(lines: readonly RecordLine[]): RecordLine[] {
  const begun = new Set(lines.filter(line => line.outcome === "begun").map(line => line.seq));
  const ends = new Map(
    lines.filter(line => line.of !== null && begun.has(line.of)).map(line => [line.of, line]),
  );
  return lines
    .filter(line => line.of === null || !begun.has(line.of))
    .map(line => {
      const end = ends.get(line.seq);
      return end ? { ...line, outcome: end.outcome, reason: end.reason } : line;
    });
}

/** How it came out, if that is worth a word. */
export function outcomeWords(line: RecordLine): string {
  return line.outcome === "done" || line.outcome === "begun" ? "" : line.outcome;
}

/** What one person or agent did within one minute, newest first. */
export interface RecordGroup {
  key: string;
  who: RecordLine["who"];
  at: number;
  lines: RecordLine[];
}

export interface RecordDay {
  day: string;
  groups: RecordGroup[];
}

const MINUTE = 60_000;

/** Runs of lines of one actor, cut where a minute passes without one, under their days. */
export function groupLines(
  lines: readonly RecordLine[],
  dayOf: (at: number) => string,
): RecordDay[] {
  const days: RecordDay[] = [];
  let before: RecordLine | null = null;
  for (const line of lines) {
    const day = dayOf(line.at);
    let last = days.at(-1);
    if (last?.day !== day) {
      last = { day, groups: [] };
      days.push(last);
      before = null;
    }
    const group = last.groups.at(-1);
    if (group && before && before.who.id === line.who.id && before.at - line.at < MINUTE) {
      group.lines.push(line);
    } else {
      last.groups.push({ key: String(line.seq), who: line.who, at: line.at, lines: [line] });
    }
    before = line;
  }
  return days;
}
