/**
 * Who may act, in words, and what somebody can do about it. It offers only
 * what the server would grant as far as the view tells; the server decides.
 */
import type { FloorAsk, Mode, Presence, Role, RoomView } from "./protocol.ts";
import { en, type Texts } from "./texts/index.ts";

/** Each mode's name, and the one line that explains it. */
export const MODES = en.floor.modes;
export const MODE_ORDER: readonly Mode[] = ["together", "turns", "watch", "hands-off"];

/** A private moment, as one person sees it. */
export interface Private {
  by: Presence;
  mine: boolean;
  /** This person gets no picture meanwhile. */
  hidden: boolean;
}

const SEES: Readonly<Record<Role, number>> = { admin: 3, controller: 2, viewer: 1, agent: 0 };

export function privateOf(room: RoomView | null, you: Presence | null): Private | null {
  const moment = room?.private;
  if (!moment) return null;
  const mine = moment.by.id === you?.id;
  const hidden = !mine && (you === null || SEES[you.role] < SEES[moment.from]);
  return { by: moment.by, mine, hidden };
}

const RANK: Readonly<Record<Role, number>> = { admin: 3, controller: 2, agent: 1, viewer: 0 };
const mayHave = (who: Presence): boolean => who.role !== "viewer";

/** Whoever has it for themselves: by takeover, or in their turn. */
export function leaseOf(room: RoomView): Presence | null {
  return room.floor.takeover ?? room.floor.turn;
}

/** What the strip says of who acts: the words, and whose colour they have. */
export type Acting = { words: string; who: Presence | null };

export function actingOf(
  room: RoomView | null,
  you: string | null,
  { floor: words }: Texts = en,
): Acting {
  if (!room) return { words: "", who: null };
  if (room.private) {
    const { by } = room.private;
    return { words: by.id === you ? words.youPrivate : words.isPrivate(by.name), who: by };
  }
  const { takeover, turn, mode } = room.floor;
  if (takeover) {
    const said = takeover.id === you ? words.youTookOver : words.tookOver(takeover.name);
    return { words: said, who: takeover };
  }
  if (mode === "turns") {
    if (!turn) return { words: words.nobodysTurn, who: null };
    return { words: turn.id === you ? words.yourTurn : words.turnOf(turn.name), who: turn };
  }
  const who = room.holder;
  if (!who) return { words: "", who: null };
  return { words: who.id === you ? words.youAct : words.acts(who.name), who };
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
  /** To be alone with the page, or no longer; nothing while it is another's moment. */
  private: "begin" | "end" | null;
  /** One asks already and may stop. */
  withdraw: boolean;
  /** Who can be given it: those who ask first, in their order. */
  give: Presence[];
  modes: Mode[];
}

const NOTHING: Offers = {
  main: null,
  private: null,
  ask: null,
  withdraw: false,
  give: [],
  modes: [],
};

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
  const moment = privateOf(room, you);
  let alone: Offers["private"] = "begin";
  if (moment) alone = moment.mine || you.role === "admin" ? "end" : null;
  return {
    main,
    private: alone,
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
  { floor: words }: Texts = en,
): Refused | null {
  if (!room || !you) return null;
  if (!mayAct) return { words: words.onlyWatching, ways: [] };
  const { takeover, turn, mode } = room.floor;
  const offers = offersOf(room, you, mayAct);
  const ways: Refused["ways"] = [];
  if (offers.ask) ways.push("ask");
  if (offers.main === "take-over") ways.push("take-over");
  const asked = offers.withdraw ? ` ${words.asked}` : "";
  if (takeover) {
    if (takeover.id === you.id) return null;
    const wait = ways.length === 0 && !asked ? ` ${words.waitForHandBack}` : "";
    return { words: `${words.tookOver(takeover.name)}.${asked}${wait}`, ways };
  }
  if (mode === "watch") return { words: words.onlyLooking, ways };
  if (mode === "turns" && turn && turn.id !== you.id) {
    return { words: `${words.itIsTurnOf(turn.name)}${asked}`, ways };
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
