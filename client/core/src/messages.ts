/**
 * JSON text in, a known message out. What is not understood is refused with a
 * reason and never reaches the rest of the client.
 */
import type { RoomEvent, RoomView, ServerMessage } from "./protocol.ts";

/** A session's update has at most half of it. */
export const MAX_MESSAGE = 2 * 1024 * 1024;

export type Parsed = { ok: true; message: ServerMessage } | { ok: false; reason: string };

const refuse = (reason: string): Parsed => ({ ok: false, reason });

export function parseServerMessage(text: string): Parsed {
  if (text.length > MAX_MESSAGE) return refuse("The message is too long.");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("The message is not JSON.");
  }
  if (!isRecord(value)) return refuse("The message is not an object.");
  const known = fits(value);
  return known
    ? { ok: true, message: value as unknown as ServerMessage }
    : refuse(`The message "${String(value.type).slice(0, 40)}" is not of a known form.`);
}

type Fields = Record<string, unknown>;

function fits(m: Fields): boolean {
  switch (m.type) {
    case "welcome":
      return (
        isNumber(m.protocol) &&
        isText(m.version) &&
        isPresence(m.you) &&
        typeof m.may_act === "boolean" &&
        isView(m.room) &&
        Array.isArray(m.ice_servers) &&
        isLeft(m.token_seconds) &&
        (m.modes === undefined ||
          (Array.isArray(m.modes) && m.modes.every(mode => MODES.has(mode))))
      );
    case "token":
      return isLeft(m.token_seconds);
    case "answer":
      return isText(m.sdp);
    case "view":
      return isView(m.room);
    case "event":
      return isRecord(m.event) && isEvent(m.event);
    case "cursor":
      return (
        isText(m.png) &&
        isNumber(m.serial) &&
        isNumber(m.width) &&
        isNumber(m.height) &&
        isNumber(m.hot_x) &&
        isNumber(m.hot_y)
      );
    case "called":
      return isNumber(m.id) && isRecord(m.result);
    case "session_update":
      return isText(m.project) && isText(m.id) && isRecord(m.update) && isText(m.update.type);
    case "pong":
      return isNumber(m.t);
    case "error":
      return isText(m.code) && isText(m.message);
    default:
      return false;
  }
}

function isEvent(e: Fields): e is Fields & RoomEvent {
  switch (e.kind) {
    case "pointer":
      return isText(e.actor) && isNumber(e.x) && isNumber(e.y) && isNumber(e.ms);
    case "press":
      return isText(e.actor) && isNumber(e.x) && isNumber(e.y);
    case "doing":
      return isText(e.actor) && isText(e.text);
    case "clipboard":
      return isText(e.text);
    case "settled":
      return isText(e.id) && isText(e.actor) && isSettled(e.how);
    default:
      return false;
  }
}

function isSettled(how: unknown): boolean {
  if (!isRecord(how)) return false;
  switch (how.is) {
    case "answered":
      return isAnswered(how.answered);
    case "closed":
      return isText(how.reason);
    default:
      return how.is === "expired" || how.is === "stale" || how.is === "withdrawn";
  }
}

function isView(v: unknown): v is RoomView {
  return (
    isRecord(v) &&
    isText(v.id) &&
    isRecord(v.size) &&
    isNumber(v.size.width) &&
    isNumber(v.size.height) &&
    isRecord(v.phase) &&
    isText(v.phase.state) &&
    Array.isArray(v.present) &&
    v.present.every(isPresence) &&
    (v.holder === null || isPresence(v.holder)) &&
    Array.isArray(v.waiting) &&
    isFloor(v.floor) &&
    (v.private === null ||
      (isRecord(v.private) && isPresence(v.private.by) && isText(v.private.from))) &&
    v.waiting.every(isText) &&
    Array.isArray(v.approvals) &&
    v.approvals.every(isApproval) &&
    Array.isArray(v.help) &&
    v.help.every(isHelp)
  );
}

function isHelp(h: unknown): boolean {
  return (
    isRecord(h) &&
    isNumber(h.id) &&
    isPresence(h.agent) &&
    isText(h.reason) &&
    isText(h.task) &&
    (h.helper === null || isPresence(h.helper))
  );
}

const MODES: ReadonlySet<unknown> = new Set(["together", "turns", "watch", "hands-off"]);

function isFloor(f: unknown): boolean {
  return (
    isRecord(f) &&
    MODES.has(f.mode) &&
    (f.takeover === null || isPresence(f.takeover)) &&
    (f.turn === null || isPresence(f.turn)) &&
    Array.isArray(f.requests) &&
    f.requests.every(isPresence) &&
    isNumber(f.hand_backs)
  );
}

function isApproval(a: unknown): boolean {
  const texts = (list: unknown): boolean => Array.isArray(list) && list.every(isText);
  return (
    isRecord(a) &&
    isText(a.id) &&
    (a.position === null || isNumber(a.position)) &&
    isNumber(a.of) &&
    isText(a.actor) &&
    isText(a.name) &&
    isText(a.tool) &&
    texts(a.classes) &&
    texts(a.places) &&
    texts(a.texts) &&
    Array.isArray(a.targets) &&
    a.targets.every(target => isRecord(target) && isText(target.role) && isText(target.name)) &&
    isNumber(a.expires_at) &&
    (a.why === null || isText(a.why)) &&
    (a.rule === null || (isRecord(a.rule) && isText(a.rule.name) && isText(a.rule.scope))) &&
    (a.answered === null || isAnswered(a.answered))
  );
}

const isAnswered = (a: unknown): boolean =>
  isRecord(a) && isText(a.by) && isText(a.name) && isRecord(a.answer) && isText(a.answer.answer);

function isPresence(p: unknown): boolean {
  return (
    isRecord(p) &&
    isText(p.id) &&
    isText(p.name) &&
    isText(p.kind) &&
    isText(p.role) &&
    (p.colour === undefined || isText(p.colour))
  );
}

const isLeft = (v: unknown): boolean => v === undefined || isNumber(v);
const isRecord = (v: unknown): v is Fields =>
  typeof v === "object" && v !== null && !Array.isArray(v);
const isText = (v: unknown): v is string => typeof v === "string";
const isNumber = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
