/**
 * Who may act, in words, and what somebody can do about it. It offers only
 * what the server would grant as far as the view tells; the server decides.
 */
import type { FloorAsk, Mode, Presence, Role, RoomView } from "./protocol.ts";

/** Each mode's name, and the one line that explains it. */
export const MODES: Readonly<Record<Mode, { name: string; line: string }>> = {
  together: { name: "Together", line: "Everybody acts. Agents wait while a person does." },
  turns: { name: "Turns", line: "One at a time. The others ask for their turn." },
  watch: { name: "Watch only", line: "Agents act, people look." },
  "hands-off": { name: "Hands off", line: "People act, agents look." },
};
export const MODE_ORDER: readonly Mode[] = ["together", "turns", "watch", "hands-off"];

const RANK: Readonly<Record<Role, number>> = { admin: 3, controller: 2, agent: 1, viewer: 0 };
const mayHave = (who: Presence): boolean => who.role !== "viewer";

/** Whoever has it for themselves: by takeover, or in their turn. */
export function leaseOf(room: RoomView): Presence | null {
  return room.floor.takeover ?? room.floor.turn;
}

/** What the strip says of who acts: the words, and whose colour they have. */
export type Acting = { words: string; who: Presence | null };

export function actingOf(room: RoomView | null, you: string | null): Acting {
  if (!room) return { words: "", who: null };
  const { takeover, turn, mode } = room.floor;
  if (takeover) {
    const words = takeover.id === you ? "You have taken over" : `${takeover.name} has taken over`;
    return { words, who: takeover };
  }
  if (mode === "turns") {
    if (!turn) return { words: "Nobody's turn", who: null };
    return { words: turn.id === you ? "Your turn" : `${turn.name}'s turn`, who: turn };
  }
  const who = room.holder;
  if (!who) return { words: "", who: null };
  return { words: who.id === you ? "You are acting" : `${who.name} is acting`, who };
}

/** The strip as one sentence: "Turns · Bot's turn". */
export function stripWords(room: RoomView | null, you: string | null): string {
  if (!room) return "";
  const { words } = actingOf(room, you);
  if (room.floor.takeover) return words;
  const mode = MODES[room.floor.mode].name;
  return words ? `${mode} · ${words}` : mode;
}

/** What this person can do about the floor now. */
export interface Offers {
  /** The one button; nothing while somebody of the same or a higher rank has taken over. */
  main: "take-over" | "hand-back" | null;
  /** To be asked, when it is theirs; `at once` when an agent has the turn and gives way. */
  ask: { of: Presence; atOnce: boolean } | null;
  /** One asks already and may stop. */
  withdraw: boolean;
  /** Who can be given it: those who ask first, in their order. */
  give: Presence[];
  modes: Mode[];
}

const NOTHING: Offers = { main: null, ask: null, withdraw: false, give: [], modes: [] };

export function offersOf(room: RoomView | null, you: Presence | null, mayAct: boolean): Offers {
  if (!room || !you || !mayAct || !mayHave(you)) return NOTHING;
  const { takeover, mode, requests } = room.floor;
  const lease = leaseOf(room);
  const mine = lease?.id === you.id;
  const outranks = (who: Presence): boolean => RANK[you.role] > RANK[who.role];
  const asks = requests.some(each => each.id === you.id);
  const inTurns = mode === "turns";
  const theirs = lease && !mine ? lease : null;

  let main: Offers["main"] = "take-over";
  if (mine) main = "hand-back";
  else if (takeover && !outranks(takeover)) main = null;

  const mayGive = lease !== null && (mine || you.role === "admin");
  const takers = room.present.filter(
    who =>
      mayHave(who) &&
      who.id !== lease?.id &&
      who.id !== you.id &&
      // To give a takeover to an agent is to hand back, which has its own button.
      (inTurns || who.kind === "person"),
  );
  const asking = (who: Presence): number => {
    const at = requests.findIndex(each => each.id === who.id);
    return at < 0 ? requests.length : at;
  };
  return {
    main,
    ask:
      inTurns && theirs && !asks
        ? { of: theirs, atOnce: theirs.kind === "agent" && !takeover }
        : null,
    withdraw: asks && theirs !== null,
    give: mayGive ? takers.sort((a, b) => asking(a) - asking(b)) : [],
    modes:
      theirs?.kind === "person" && !outranks(theirs)
        ? []
        : MODE_ORDER.filter(each => each !== mode),
  };
}

/** What the main button or its chord does now; nothing when it is not offered. */
export function mainAsk(offers: Offers, note = ""): FloorAsk | null {
  switch (offers.main) {
    case "take-over":
      return { kind: "takeover" };
    case "hand-back":
      return { kind: "hand-back", note: note.trim() };
    default:
      return null;
  }
}

/** Why this person's hands do nothing now, and the way out of it. */
export type Refused = { words: string; ways: ("take-over" | "ask")[] };

export function refusalOf(
  room: RoomView | null,
  you: Presence | null,
  mayAct: boolean,
): Refused | null {
  if (!room || !you) return null;
  if (!mayAct) return { words: "You are watching. This link does not let you act.", ways: [] };
  const { takeover, turn, mode } = room.floor;
  const offers = offersOf(room, you, mayAct);
  const ways: Refused["ways"] = [];
  if (offers.ask) ways.push("ask");
  if (offers.main === "take-over") ways.push("take-over");
  const asked = offers.withdraw ? " You have asked." : "";
  if (takeover) {
    if (takeover.id === you.id) return null;
    const wait = ways.length === 0 && !asked ? " Wait for the hand-back." : "";
    return { words: `${takeover.name} has taken over.${asked}${wait}`, ways };
  }
  if (mode === "watch") return { words: "People only look now.", ways };
  if (mode === "turns" && turn && turn.id !== you.id) {
    return { words: `It is ${turn.name}'s turn.${asked}`, ways };
  }
  return null;
}

/** "Bo asks for a turn", "Bo and Atlas ask for a turn"; empty when nobody does or nobody can give it. */
export function whoAsks(room: RoomView | null, you: string | null): string {
  if (!room || !leaseOf(room)) return "";
  const names = room.floor.requests.filter(who => who.id !== you).map(who => who.name);
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} asks for a turn`;
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} ask for a turn`;
}
