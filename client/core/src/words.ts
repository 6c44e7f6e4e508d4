/**
 * The one sentence and the one action of each state that is not plain running.
 * `null` when the picture speaks for itself.
 */
import { privateOf } from "./floor.ts";
import type { Presence, RoomView } from "./protocol.ts";
import type { Refusal, SessionState } from "./session.ts";
import { en, type Texts } from "./texts/index.ts";

export type Action = "connect" | "wake" | "reload" | "token" | "main-room";

export type Notice = {
  /** `busy` turns a wheel; `wrong` wants something of the person; `private` hides the picture. */
  tone: "busy" | "wrong" | "private";
  sentence: string;
  /** Why, if the server said so. */
  detail: string | null;
  action: Action | null;
};

const notice = (
  tone: Notice["tone"],
  sentence: string,
  action: Action | null = null,
  detail: string | null = null,
): Notice => ({ tone, sentence, action, detail });

/** What somebody can do about a refusal; with an old token, bring another. */
const WAYS: Readonly<Partial<Record<Refusal, Action>>> = {
  token: "token",
  expired: "token",
  revoked: "token",
  used: "token",
  unknown: "token",
  forbidden: "token",
  "no-room": "main-room",
  version: "reload",
  "no-codec": "connect",
  "too-many": "connect",
  "put-out": "connect",
};

export function noticeOf(
  state: SessionState,
  room: RoomView | null,
  texts: Texts = en,
  you: Presence | null = null,
): Notice | null {
  const { notice: words } = texts;
  switch (state.name) {
    case "idle":
      return notice("wrong", words.idle, "connect");
    case "refused":
      return notice("wrong", words.refused[state.why], WAYS[state.why] ?? null);
    case "connecting":
    case "waiting": {
      const again = state.seen || state.attempt > 1 || state.name === "waiting";
      if (!again) return notice("busy", words.opening);
      if (state.cause === "restart") return notice("busy", words.restart, "connect");
      if (state.cause === "media") return notice("busy", words.media, "connect");
      if (state.cause === "socket" && state.attempt > 1) {
        return notice("busy", words.upgrade, "connect");
      }
      return notice("busy", words.lost, "connect");
    }
    case "joined":
    case "live":
      switch (room?.phase.state) {
        case "starting":
          return notice("busy", words.starting);
        case "sleeping":
          return notice("wrong", words.sleeping, "wake");
        case "stopped":
          return notice("wrong", words.stopped);
        case "restarting":
          return notice("busy", words.returning, null, room.phase.reason);
        case "failed":
          return notice("wrong", words.failed, null, room.phase.reason);
        case "stopping":
          return notice("busy", words.closing);
        default: {
          const moment = privateOf(room, you);
          if (moment?.hidden) return notice("private", words.private(moment.by.name));
          if (state.name === "live") return null;
          return notice("busy", state.seen ? words.lost : words.picture);
        }
      }
  }
}

/** "You are acting", "Atlas is acting", or nothing to say. */
export function whoActs(room: RoomView | null, you: string | null): string {
  const holder = room?.holder;
  if (!holder) return "Nobody is acting";
  return holder.id === you ? "You are acting" : `${holder.name} is acting`;
}

/** Names of agents that are held back, as a sentence; empty when there are none. */
export function whoWaits(room: RoomView | null): string {
  const names = room?.waiting ?? [];
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is waiting`;
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are waiting`;
}
