/**
 * The messages between a page and the frame in it that shows a room, version 1.
 * What comes from the other side is read here and nowhere else: a value of
 * this form, a reason why it is none, or nothing that concerns us.
 *
 *   page ── hello, call ──▶ frame
 *   page ◀── hello, event, result ── frame
 */
import type { AgentFact, ApprovalFact, FloorFact, HelpFact } from "./facts.ts";
import { MODE_ORDER } from "./floor.ts";
import type { Mode, PageView } from "./protocol.ts";

export const EMBED_PROTOCOL = 1;

/** What an embedded room can be asked for. */
export interface EmbedMethods {
  takeover: { args: Record<string, never>; value: null };
  handBack: { args: { note?: string }; value: null };
  navigate: { args: { url: string }; value: null };
  setMode: { args: { mode: Mode }; value: null };
  /** To be alone with the page, or no longer. */
  setPrivate: { args: { on: boolean }; value: null };
  /** The value is a `Blob` of `image/png`. */
  screenshot: { args: Record<string, never>; value: unknown };
  approve: { args: { id: string; answer: EmbedAnswer; message?: string }; value: null };
  answerHelp: {
    args: { id: number; answer: "accept" | "done" | "decline"; note?: string };
    value: null;
  };
  /** The size of the room's display; that of the frame when left out. */
  resize: { args: { width?: number; height?: number }; value: null };
  setToken: { args: { token: string }; value: null };
  setOptions: { args: { options: Record<string, string | null> }; value: null };
  focus: { args: Record<string, never>; value: null };
}

export type EmbedAnswer = "once" | "always-for-origin" | "deny";
export type EmbedMethod = keyof EmbedMethods;

export interface EmbedState {
  name: "idle" | "connecting" | "joined" | "live" | "waiting" | "refused";
  /** Why the room was refused, such as `expired`. */
  why: string | null;
  /** In the language of the embedded room; what the person reads. */
  message: string | null;
}

export interface EmbedError {
  code: string;
  message: string;
}

export interface EmbedEvents {
  ready: { you: { id: string; name: string } | null; mayAct: boolean };
  state: EmbedState;
  floor: FloorFact;
  navigated: PageView;
  approval: ApprovalFact;
  "help-requested": HelpFact;
  agent: AgentFact;
  error: EmbedError;
  "token-expiring": { seconds: number };
  /** The person wants out of the picture with the keyboard. */
  leave: null;
}

export type EmbedEvent = keyof EmbedEvents;

export type Call = {
  [M in EmbedMethod]: { id: number; method: M; args: EmbedMethods[M]["args"] };
}[EmbedMethod];

export type ToFrame = { type: "hello" } | ({ type: "call" } & Call);
export type FromFrame =
  | { type: "hello"; version: number; state: EmbedState }
  | { [E in EmbedEvent]: { type: "event"; event: E; detail: EmbedEvents[E] } }[EmbedEvent]
  | { type: "result"; id: number; ok: true; value: unknown }
  | { type: "result"; id: number; ok: false; error: EmbedError };

/** What goes through `postMessage`. */
export const sealed = <T extends ToFrame | FromFrame>(message: T): T & { tandem: number } => ({
  tandem: EMBED_PROTOCOL,
  ...message,
});

export type Read<T> =
  | { is: "message"; message: T }
  /** Meant for us but wrong: worth an answer. */
  | { is: "wrong"; id: number | null; code: "malformed" | "version" | "unknown"; reason: string }
  /** Somebody else's: a page's own messages pass here too. */
  | { is: "foreign" };

const wrong = (
  reason: string,
  id: number | null = null,
  code: "malformed" | "version" | "unknown" = "malformed",
): Read<never> => ({ is: "wrong", id, code, reason });

type Fields = Record<string, unknown>;
const isRecord = (v: unknown): v is Fields =>
  typeof v === "object" && v !== null && !Array.isArray(v);
const isId = (v: unknown): v is number =>
  typeof v === "number" && Number.isSafeInteger(v) && v >= 0;
const isText = (v: unknown, longest: number): v is string =>
  typeof v === "string" && v.length <= longest;
const isSide = (v: unknown): v is number =>
  typeof v === "number" && Number.isSafeInteger(v) && v >= 1 && v <= 16384;

const NOTE = 500;
const ADDRESS = 2048;
const TOKEN = 200;
const MOST_OPTIONS = 64;
const ANSWERS: ReadonlySet<unknown> = new Set(["once", "always-for-origin", "deny"]);
const HELP_ANSWERS: ReadonlySet<unknown> = new Set(["accept", "done", "decline"]);
const MODES: ReadonlySet<unknown> = new Set(MODE_ORDER);

/** What each method takes: a check of every argument, and whether it may be left out. */
type Check = readonly [fits: (v: unknown) => boolean, optional?: "optional"];
const note: Check = [v => isText(v, NOTE), "optional"];
const ARGUMENTS: Readonly<Record<EmbedMethod, Readonly<Record<string, Check>>>> = {
  takeover: {},
  handBack: { note },
  navigate: { url: [v => isText(v, ADDRESS) && /^(https?:\/\/|about:blank$)/i.test(v)] },
  setMode: { mode: [v => MODES.has(v)] },
  setPrivate: { on: [v => typeof v === "boolean"] },
  screenshot: {},
  approve: { id: [v => isText(v, 64)], answer: [v => ANSWERS.has(v)], message: note },
  answerHelp: { id: [isId], answer: [v => HELP_ANSWERS.has(v)], note },
  resize: { width: [isSide, "optional"], height: [isSide, "optional"] },
  setToken: { token: [v => isText(v, TOKEN) && /^[A-Za-z0-9._~-]+$/.test(v)] },
  setOptions: { options: [isOptions] },
  focus: {},
};

function isOptions(v: unknown): boolean {
  if (!isRecord(v)) return false;
  const entries = Object.entries(v);
  return (
    entries.length <= MOST_OPTIONS &&
    entries.every(([name, value]) => isText(name, 64) && (value === null || isText(value, ADDRESS)))
  );
}

const isMethod = (v: unknown): v is EmbedMethod =>
  typeof v === "string" && Object.hasOwn(ARGUMENTS, v);

/** Ours and of our version, as fields; or why not. */
function open(data: unknown): [Fields, null] | [null, Read<never>] {
  if (!isRecord(data) || !Object.hasOwn(data, "tandem")) return [null, { is: "foreign" }];
  if (data.tandem !== EMBED_PROTOCOL) {
    const id = isId(data.id) ? data.id : null;
    const reason = `this speaks version ${EMBED_PROTOCOL} of the protocol`;
    return [null, wrong(reason, id, "version")];
  }
  return [data, null];
}

/** What the page around it says to the frame. */
export function readToFrame(data: unknown): Read<ToFrame> {
  const [opened, refused] = open(data);
  if (!opened) return refused;
  if (opened.type === "hello") return { is: "message", message: { type: "hello" } };
  if (opened.type !== "call") return wrong("a message is a hello or a call");
  const { id, method, args = {} } = opened;
  if (!isId(id)) return wrong("a call has an id, a whole number from 0");
  if (!isMethod(method)) return wrong("there is no such method", id, "unknown");
  if (!isRecord(args)) return wrong("the arguments are an object", id);
  const takes = ARGUMENTS[method];
  // Only what was looked at goes on.
  const taken: Fields = {};
  for (const [name, [fits, optional]] of Object.entries(takes)) {
    const value = Object.hasOwn(args, name) ? args[name] : undefined;
    if (value === undefined && optional) continue;
    if (!fits(value)) return wrong(`${method} does not take this as ${name}`, id);
    taken[name] = value;
  }
  const more = Object.keys(args).find(name => !Object.hasOwn(takes, name));
  if (more !== undefined) return wrong(`${method} does not take ${more.slice(0, 40)}`, id);
  return { is: "message", message: { type: "call", id, method, args: taken } as ToFrame };
}

const EVENTS: ReadonlySet<unknown> = new Set<EmbedEvent>([
  "ready",
  "state",
  "floor",
  "navigated",
  "approval",
  "help-requested",
  "agent",
  "error",
  "token-expiring",
  "leave",
]);

const isState = (v: unknown): v is EmbedState =>
  isRecord(v) &&
  isText(v.name, 20) &&
  (v.why === null || isText(v.why, 40)) &&
  (v.message === null || isText(v.message, 2000));
const isError = (v: unknown): v is EmbedError =>
  isRecord(v) && isText(v.code, 40) && isText(v.message, 4000);

/** What the frame says to the page around it. */
export function readFromFrame(data: unknown): Read<FromFrame> {
  const [m, refused] = open(data);
  if (!m) return refused;
  switch (m.type) {
    case "hello":
      return isId(m.version) && isState(m.state)
        ? { is: "message", message: { type: "hello", version: m.version, state: m.state } }
        : wrong("a hello has a version and a state");
    case "event": {
      const fits =
        EVENTS.has(m.event) &&
        (m.event === "leave"
          ? m.detail === null
          : isRecord(m.detail) &&
            (m.event !== "state" || isState(m.detail)) &&
            (m.event !== "error" || isError(m.detail)));
      return fits
        ? {
            is: "message",
            message: { type: "event", event: m.event, detail: m.detail } as FromFrame,
          }
        : wrong("there is no such event");
    }
    case "result":
      if (!isId(m.id)) return wrong("a result has the id of its call");
      if (m.ok === true) {
        const { id, value } = m;
        return { is: "message", message: { type: "result", id: id as number, ok: true, value } };
      }
      return m.ok === false && isError(m.error)
        ? { is: "message", message: { type: "result", id: m.id, ok: false, error: m.error } }
        : wrong("a result is ok or has an error", m.id);
    default:
      return wrong("a message is a hello, an event or a result");
  }
}

/** So many messages at once, and so many a second: who sends more is not heard. */
export class Inflow {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at = 0;

  constructor(most = 100, perSecond = 50) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
  }

  /** Whether one more is heard now, in milliseconds of any clock. */
  take(now: number): boolean {
    const since = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#left = Math.min(this.#most, this.#left + since * this.#perSecond);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
