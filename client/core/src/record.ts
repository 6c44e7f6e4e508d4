/**
 * The record of a room as the server tells it, read and put into words. All
 * that is known of the answer's shape is here; lines that do not fit it are
 * left out, the rest is shown.
 */
import type { Role } from "./protocol.ts";

export interface RecordLine {
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
  who: { id: string; name: string; role: Role | "server" };
  kind: string;
  what: string;
  where: string;
  outcome: string;
  reason: string;
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
export const RECORD_PAGE = 60;

type Fields = { [name: string]: unknown };
const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** The query of a page of the record, as names and values. */
export function recordQuery(filter: RecordFilter, cursor: string | null): Record<string, string> {
  return {
    limit: String(RECORD_PAGE),
    ...(cursor === null ? {} : { cursor }),
    ...(filter.who ? { actor: filter.who } : {}),
    ...(filter.kind ? { kind: filter.kind } : {}),
    ...(filter.refused ? { outcome: "refused" } : {}),
  };
}

/** `null` when it is no page of a record. */
export function readRecord(value: unknown): RecordPage | null {
  if (!isRecord(value) || !Array.isArray(value.lines)) return null;
  const lines = value.lines.map(readLine).filter(line => line !== null);
  lines.sort((a, b) => b.seq - a.seq);
  const next = value.next ?? null;
  return { lines, next: next === null ? null : String(next) };
}

function readLine(value: unknown): RecordLine | null {
  if (!isRecord(value) || typeof value.seq !== "number" || typeof value.at !== "number")
    return null;
  const actor = isRecord(value.actor) ? value.actor : {};
  return {
    seq: value.seq,
    at: value.at,
    who: {
      id: text(actor.id),
      name: text(actor.name) || "Tandem",
      role: (text(actor.role) || "server") as RecordLine["who"]["role"],
    },
    kind: text(value.kind),
    what: text(value.what),
    where: text(value.where),
    outcome: text(value.outcome),
    reason: text(value.reason),
  };
}

/** Puts lines that came later, or from before, to those that are there. */
export function joinLines(known: readonly RecordLine[], more: readonly RecordLine[]): RecordLine[] {
  const bySeq = new Map(known.map(line => [line.seq, line]));
  for (const line of more) bySeq.set(line.seq, line);
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
}

const GOOD = new Set(["", "ok", "done", "allowed", "allow", "approved", "granted", "success"]);

export function isRefused(line: RecordLine): boolean {
  return /refus|den(y|ied)|forbid|expired|stale/.test(line.outcome);
}

/** How it came out, if that is worth a word. */
export function outcomeWords(line: RecordLine): string {
  return GOOD.has(line.outcome) ? "" : line.outcome.replaceAll("-", " ");
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
