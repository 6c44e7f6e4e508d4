/**
 * The one sentence and the one action of each state that is not plain running.
 * `null` when the picture speaks for itself.
 */
import type { RoomView } from "./protocol.ts";
import type { SessionState } from "./session.ts";

export type Action = "connect" | "reload" | "token" | "main-room";

export type Notice = {
  /** `busy` turns a wheel; `wrong` wants something of the person. */
  tone: "busy" | "wrong";
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

export function noticeOf(state: SessionState, room: RoomView | null): Notice | null {
  switch (state.name) {
    case "idle":
      return notice("wrong", "Not connected.", "connect");
    case "refused":
      switch (state.why) {
        case "token":
          return notice("wrong", "This link has expired. Paste a new token to go on.", "token");
        case "forbidden":
          return notice(
            "wrong",
            "This link is for another room. Paste a token for this one.",
            "token",
          );
        case "no-room":
          return notice("wrong", "This room was removed, or never was.", "main-room");
        case "version":
          return notice("wrong", "Tandem was updated. Reload to go on.", "reload");
        case "no-codec":
          return notice(
            "wrong",
            "This browser cannot show the picture. Try another one.",
            "connect",
          );
      }
      break;
    case "connecting":
    case "waiting": {
      const again = state.seen || state.attempt > 1 || state.name === "waiting";
      if (!again) return notice("busy", "Opening the room");
      if (state.cause === "restart") {
        return notice("busy", "Tandem is restarting. It will be back in a moment.", "connect");
      }
      if (state.cause === "media") {
        return notice(
          "busy",
          "The picture cannot get through, trying again. The page /doctor of this server says why.",
          "connect",
        );
      }
      if (state.cause === "socket" && state.attempt > 1) {
        return notice(
          "busy",
          "The server answers, but live connections to it do not open. A proxy in between may take their Upgrade header away; the page /doctor of this server says more.",
          "connect",
        );
      }
      return notice("busy", "Connection lost, trying again.", "connect");
    }
    case "joined":
    case "live":
      switch (room?.phase.state) {
        case "starting":
          return notice("busy", "The browser is starting.");
        case "restarting":
          return notice("busy", "The browser stopped and is coming back.", null, room.phase.reason);
        case "failed":
          return notice(
            "wrong",
            "The browser could not be started. It is tried again every minute.",
            null,
            room.phase.reason,
          );
        case "stopping":
          return notice("busy", "This room is closing.");
        default:
          if (state.name === "live") return null;
          return state.seen
            ? notice("busy", "Connection lost, trying again.")
            : notice("busy", "Waiting for the picture");
      }
  }
  return null;
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
