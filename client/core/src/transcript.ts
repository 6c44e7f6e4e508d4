/**
 * A transcript in a person's words: what a tool does, what it changed, how
 * long and how much. Reads the model; keeps nothing.
 */
import { toolWords } from "./approvals.ts";
import { type Diff, diffTexts, readPatch } from "./diff.ts";
import type { Message, Part, Session, Tokens, ToolCall } from "./sessions-model.ts";

type Fields = Readonly<Record<string, unknown>>;
const fields = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Tandem's own tools, as the agent names them. */
const OWN = /^tandem[_-]/;
export const isOwnTool = (name: string): boolean => OWN.test(name);

export type ToolLook =
  | "browser"
  | "command"
  | "edit"
  | "read"
  | "search"
  | "web"
  | "todo"
  | "agent"
  | "ask"
  | "other";

export interface ToolWords {
  look: ToolLook;
  /** "Click", "Read", "Run". */
  verb: string;
  /** What it is about: a button's name, a path, a command. */
  object: string;
}

const last = (path: string): string => path.split("/").filter(Boolean).at(-1) ?? path;
const host = (url: string): string => url.replace(/^https?:\/\//, "").replace(/\/$/, "");

export function wordsOfTool(call: Pick<ToolCall, "name" | "title" | "input">): ToolWords {
  const input = fields(call.input);
  const path = text(input.filePath) || text(input.path) || text(input.file_path);
  if (isOwnTool(call.name)) {
    const name = call.name.replace(OWN, "");
    const verb = toolWords(name);
    const object =
      text(input.element) || host(text(input.url)) || text(input.text) || text(input.reason);
    return { look: "browser", verb: verb === name ? plainName(name) : verb, object };
  }
  switch (call.name) {
    case "bash":
    case "shell":
      return { look: "command", verb: "Run", object: text(input.command) || call.title };
    case "edit":
    case "multiedit":
    case "patch":
    case "apply_patch":
      return { look: "edit", verb: "Edit", object: last(path) || call.title };
    case "write":
      return { look: "edit", verb: "Write", object: last(path) || call.title };
    case "read":
      return { look: "read", verb: "Read", object: last(path) || call.title };
    case "list":
      return { look: "read", verb: "List", object: path || "the folder" };
    case "glob":
    case "grep":
      return { look: "search", verb: "Search for", object: text(input.pattern) };
    case "webfetch":
      return { look: "web", verb: "Fetch", object: host(text(input.url)) };
    case "websearch":
      return { look: "web", verb: "Search the web for", object: text(input.query) };
    case "todowrite":
    case "todoread":
      return { look: "todo", verb: "Plan the work", object: "" };
    case "task":
      return { look: "agent", verb: "Hand on", object: text(input.description) || call.title };
    case "question":
      return { look: "ask", verb: "Ask you", object: "" };
    default:
      return { look: "other", verb: plainName(call.name), object: call.title };
  }
}

const plainName = (name: string): string => {
  const words = name.replace(/^browser_/, "").replaceAll(/[_-]+/g, " ");
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
};

/** What an editing tool changes, if its arguments say so. */
export function diffOfTool(call: Pick<ToolCall, "name" | "input">): Diff | null {
  const input = fields(call.input);
  const patch = text(input.patchText) || text(input.patch);
  if (patch) return readPatch(patch);
  if (typeof input.oldString === "string" && typeof input.newString === "string") {
    return diffTexts(input.oldString, input.newString);
  }
  if (call.name === "write" && typeof input.content === "string") {
    return diffTexts("", input.content);
  }
  return null;
}

/** Arguments, one a line, long ones as they are. */
export function inputOf(call: Pick<ToolCall, "input">): [name: string, value: string][] {
  if (typeof call.input === "string") return [["input", call.input]];
  return Object.entries(fields(call.input)).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value, null, 1),
  ]);
}

export function tookMs(call: Pick<ToolCall, "started" | "ended">, now: number): number | null {
  return call.started === null ? null : Math.max(0, (call.ended ?? now) - call.started);
}

/** "0.4 s", "12 s", "3 min 5 s". */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.round(seconds % 60);
  if (minutes < 60) return rest > 0 ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** "940", "12.3k", "1.2M". */
export function many(count: number): string {
  if (count < 1000) return String(count);
  if (count < 999_500)
    return `${(count / 1000).toFixed(count < 99_950 ? 1 : 0).replace(/\.0$/, "")}k`;
  return `${(count / 1_000_000).toFixed(1).replace(/\.0$/, "")}M`;
}

/** "$0.42"; nothing for nothing. */
export function money(cost: number): string {
  if (cost <= 0) return "";
  return cost < 0.01 ? "< $0.01" : `$${cost.toFixed(2)}`;
}

export const tokensOf = (tokens: Tokens): number =>
  tokens.input + tokens.output + tokens.reasoning + tokens.cache_read + tokens.cache_write;

/** A session's title; one that nobody has named yet is called by what it is. */
export function titleOf(session: Pick<Session, "title" | "parent">): string {
  const unnamed = session.title === "" || /^(New|Child) session - \d{4}-/.test(session.title);
  if (!unnamed) return session.title;
  return session.parent === null ? "New session" : "Subagent";
}

/** What a session came to: "$0.42 · 12.3k tokens", as far as it is known. */
export function spentWords(session: Pick<Session, "cost" | "tokens">): string {
  const tokens = tokensOf(session.tokens);
  return [money(session.cost), tokens > 0 ? `${many(tokens)} tokens` : ""]
    .filter(Boolean)
    .join(" · ");
}

/** What one message came to. */
export function spentIn(message: Message): { cost: number; tokens: number } {
  let [cost, tokens] = [0, 0];
  for (const part of message.parts) {
    if (part.kind !== "step") continue;
    cost += part.cost;
    tokens += part.tokens.output + part.tokens.reasoning;
  }
  return { cost, tokens };
}

/** Whether it is something to look at. */
export function isShown(part: Part): boolean {
  switch (part.kind) {
    case "text":
    case "reasoning":
      return part.text.trim() !== "";
    case "patch":
      return part.files.length > 0;
    case "step":
      return false;
    default:
      return true;
  }
}

/** The words of a message, for the clipboard. */
export const wordsOf = (message: Message): string =>
  message.parts
    .flatMap(part => (part.kind === "text" ? [part.text] : []))
    .join("\n\n")
    .trim();

/** "now", "4 min", "3 h", "Mon", "12 Oct". */
export function ago(then: number, now: number): string {
  const minutes = Math.floor((now - then) / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  const date = new Date(then);
  if (minutes < 7 * 24 * 60) return date.toLocaleDateString([], { weekday: "short" });
  return date.toLocaleDateString([], { day: "numeric", month: "short" });
}
