/**
 * What the panel knows of the sessions with an agent: a reducer without IO.
 * Updates and answers of the API go in, the next state comes out; the state
 * says itself what must be read anew (`stale`). It fetches nothing.
 *
 *   update ─┐
 *   list  ──┼─▶ reduce ─▶ state ─▶ stale? ─▶ whoever has the network reads
 *   page  ──┘                                 and puts the answer in here
 *
 * Whole things replace what was there, so that one that comes twice does no
 * harm; a piece of text counts once, which the place in the order tells.
 *
 * An answer may be older than what was told while it was on its way. So from
 * `reading` on what is told is kept, and is told once more on top of the
 * answer, as far as the answer does not say that it is in it (`at`).
 */
import type {
  AgentState,
  Id,
  Message,
  MessageHead,
  Part,
  Permission,
  Question,
  Session,
  Todo,
  Update,
} from "./sessions-model.ts";

/** A place in the order of updates: `run.number`, as the stream's ids are. */
export type Place = string;

/** One session's messages, as far as they were read. */
export interface Transcript {
  /** Oldest first. Ids rise with time. */
  messages: readonly Message[];
  /** The number of the first one; it falls below 0 as older ones are read. */
  first: number;
  todos: readonly Todo[];
  /** What to give to read older ones; null at the beginning of it all. */
  before: string | null;
  /** Updates up to here are in it; null when the server did not say. */
  at: Place | null;
}

export interface SessionsState {
  /** Null before it was asked for. */
  agent: AgentState | null;
  sessions: ReadonlyMap<Id, Session>;
  /** Only of the sessions that are open here. */
  transcripts: ReadonlyMap<Id, Transcript>;
  permissions: ReadonlyMap<Id, Permission>;
  questions: ReadonlyMap<Id, Question>;
  /** The list, and open sessions by id, that must be read anew. */
  stale: ReadonlySet<string>;
  /** What was told since their answers were asked for, by the same names. */
  reading: ReadonlyMap<string, Heard>;
}

/** Updates that came while an answer was awaited. */
export interface Heard {
  updates: readonly { update: Update; at: Place | null }[];
  /** More came than is kept, or all is to be read anew: so is this, once it is here. */
  again: boolean;
}

/** So much is kept while an answer is awaited; of a longer wait the answer is read once more. */
const MOST_HEARD = 2000;
const NOTHING_HEARD: Heard = { updates: [], again: false };

/** The name of the list among what is stale; no session's id looks like it. */
export const LIST = "(list)";

export const NO_SESSIONS: SessionsState = {
  agent: null,
  sessions: new Map(),
  transcripts: new Map(),
  permissions: new Map(),
  questions: new Map(),
  stale: new Set([LIST]),
  reading: new Map(),
};

export interface Page {
  messages: readonly Message[];
  todos: readonly Todo[];
  before: string | null;
  at?: Place | null;
}

export type Input =
  | { is: "update"; update: Update; at?: Place | null }
  /** The list, or a session, is asked for from here on. */
  | { is: "reading"; what: string }
  /** The list and what waits, read together. A search is no such list. */
  | {
      is: "list";
      sessions: readonly Session[];
      permissions: readonly Permission[];
      questions: readonly Question[];
    }
  /** One session, as the API answered. */
  | { is: "session"; session: Session }
  | { is: "agent"; agent: AgentState }
  /** The newest messages of a session, which is open from here on. */
  | { is: "page"; session: Id; page: Page }
  | { is: "older"; session: Id; page: Page; asked: string }
  | { is: "close"; session: Id };

export function reduce(state: SessionsState, input: Input): SessionsState {
  switch (input.is) {
    case "update": {
      const at = input.at ?? null;
      return take(hear(state, input.update, at), input.update, at);
    }
    case "reading":
      return { ...state, reading: put(state.reading, input.what, NOTHING_HEARD) };
    case "list":
      return catchUp(
        {
          ...state,
          // What is open but not among the newest stays.
          sessions: new Map([
            ...[...state.sessions].filter(([id]) => state.transcripts.has(id)),
            ...input.sessions.map(one => [one.id, one] as const),
          ]),
          permissions: byId(input.permissions),
          questions: byId(input.questions),
        },
        LIST,
      );
    case "session":
      return { ...state, sessions: put(state.sessions, input.session.id, input.session) };
    case "agent":
      return { ...state, agent: input.agent };
    case "page":
      return catchUp(
        {
          ...state,
          transcripts: put(
            state.transcripts,
            input.session,
            fresh(state.transcripts.get(input.session), input.page),
          ),
        },
        input.session,
      );
    case "older":
      return change(state, input.session, known => older(known, input.page, input.asked));
    case "close":
      return {
        ...state,
        transcripts: drop(state.transcripts, input.session),
        stale: without(state.stale, input.session),
        reading: drop(state.reading, input.session),
      };
  }
}

/** For whom an update is of use: the list, or a session's transcript. */
function about(update: Update): string | null {
  switch (update.type) {
    case "session":
    case "session_gone":
    case "permission":
    case "permission_gone":
    case "question":
    case "question_gone":
      return LIST;
    case "message":
    case "message_gone":
    case "part":
    case "part_gone":
    case "piece":
    case "todos":
      return update.session;
    default:
      return null;
  }
}

/** Keeps an update for the answers that are awaited. */
function hear(state: SessionsState, update: Update, at: Place | null): SessionsState {
  if (state.reading.size === 0) return state;
  if (update.type === "snapshot") {
    const again = [...state.reading.keys()].map(
      what => [what, { updates: [], again: true }] as const,
    );
    return { ...state, reading: new Map(again) };
  }
  const what = about(update);
  const heard = what === null ? undefined : state.reading.get(what);
  if (what === null || !heard || heard.again) return state;
  const next: Heard =
    heard.updates.length < MOST_HEARD
      ? { updates: [...heard.updates, { update, at }], again: false }
      : { updates: [], again: true };
  return { ...state, reading: put(state.reading, what, next) };
}

/** The answer is in the state: what was told since it was asked for comes on top of it. */
function catchUp(state: SessionsState, what: string): SessionsState {
  const heard = state.reading.get(what) ?? NOTHING_HEARD;
  const stale = heard.again ? new Set([...state.stale, what]) : without(state.stale, what);
  // Without a place nobody can tell whether the answer holds a piece already.
  const isPlaced = what === LIST || !!state.transcripts.get(what)?.at;
  const start = { ...state, stale, reading: drop(state.reading, what) };
  const missed = isPlaced ? heard.updates : [];
  return missed.reduce((now, { update, at }) => take(now, update, at), start);
}

/** An update whose type is not known is none. */
function take(state: SessionsState, update: Update, at: Place | null): SessionsState {
  switch (update.type) {
    case "session":
      return { ...state, sessions: put(state.sessions, update.session.id, update.session) };
    case "session_gone":
      return lose(state, update.session);
    case "permission": {
      const { permission } = update;
      return { ...state, permissions: put(state.permissions, permission.id, permission) };
    }
    case "permission_gone":
      return { ...state, permissions: drop(state.permissions, update.permission) };
    case "question":
      return { ...state, questions: put(state.questions, update.question.id, update.question) };
    case "question_gone":
      return { ...state, questions: drop(state.questions, update.question) };
    case "agent":
      return { ...state, agent: update.agent };
    case "snapshot":
      return { ...state, stale: new Set([LIST, ...state.transcripts.keys()]) };
    case "message":
    case "message_gone":
    case "part":
    case "part_gone":
    case "piece":
    case "todos": {
      const known = state.transcripts.get(update.session);
      // Not open here, or read already when it was: no news.
      if (!known || covers(known.at, at)) return state;
      return change(state, update.session, transcript => told(transcript, update));
    }
    default:
      return state;
  }
}

type Told = Extract<
  Update,
  { type: "message" | "message_gone" | "part" | "part_gone" | "piece" | "todos" }
>;

/** Null: it is about something that is not known here. */
function told(transcript: Transcript, update: Told): Transcript | null {
  if (update.type === "todos") return { ...transcript, todos: update.todos };
  const { messages } = transcript;
  const id = update.type === "message" ? update.message.id : update.message;
  const index = find(messages, id);
  const message = messages[index];
  switch (update.type) {
    case "message":
      return { ...transcript, messages: withHead(messages, index, update.message) };
    case "message_gone":
      return message ? { ...transcript, messages: messages.toSpliced(index, 1) } : transcript;
    case "part":
      if (!message) return isOlder(messages, id) ? transcript : null;
      return withParts(transcript, index, withPart(message.parts, update.part));
    case "part_gone": {
      if (!message) return transcript;
      const parts = message.parts.filter(part => part.id !== update.part);
      return withParts(transcript, index, parts);
    }
    case "piece": {
      if (!message) return isOlder(messages, id) ? transcript : null;
      const at = find(message.parts, update.part);
      const part = message.parts[at];
      if (!part) return null;
      // The whole part came before its last pieces: they are in it.
      if ((part.kind !== "text" && part.kind !== "reasoning") || part.done) return transcript;
      const grown = { ...part, text: part.text + update.text };
      return withParts(transcript, index, message.parts.with(at, grown));
    }
  }
}

/** Before all that was read here; it is read when somebody goes back so far. */
const isOlder = (messages: readonly Message[], id: Id): boolean => {
  const [first] = messages;
  return first !== undefined && id < first.id;
};

function withHead(
  messages: readonly Message[],
  index: number,
  head: MessageHead,
): readonly Message[] {
  const known = messages[index];
  if (known) return messages.with(index, { ...known, ...head });
  if (isOlder(messages, head.id)) return messages;
  const place = messages.findLastIndex(one => one.id < head.id) + 1;
  return messages.toSpliced(place, 0, { ...head, parts: [] });
}

function withPart(parts: readonly Part[], part: Part): Part[] {
  const index = find(parts, part.id);
  if (index >= 0) return parts.with(index, part);
  return parts.toSpliced(parts.findLastIndex(one => one.id < part.id) + 1, 0, part);
}

function withParts(transcript: Transcript, index: number, parts: Part[]): Transcript {
  const message = transcript.messages[index];
  if (!message) return transcript;
  return { ...transcript, messages: transcript.messages.with(index, { ...message, parts }) };
}

/** The newest page in place of what was known; what is older than it stays, where they meet. */
function fresh(known: Transcript | undefined, page: Page): Transcript {
  const messages = page.messages;
  const whole = { todos: page.todos, at: page.at ?? null };
  const first = messages[0];
  const meets =
    known && first && page.before !== null && known.messages.some(one => one.id === first.id);
  if (!meets) return { ...whole, messages, first: known?.first ?? 0, before: page.before };
  const kept = known.messages.filter(one => one.id < first.id);
  return { ...whole, messages: [...kept, ...messages], first: known.first, before: known.before };
}

function older(known: Transcript, page: Page, asked: string): Transcript {
  // Meanwhile it was read anew: this page joins on to nothing.
  if (known.before !== asked) return known;
  const has = new Set(known.messages.map(one => one.id));
  const more = page.messages.filter(one => !has.has(one.id));
  return {
    ...known,
    messages: [...more, ...known.messages],
    first: known.first - more.length,
    before: page.before,
  };
}

function change(
  state: SessionsState,
  session: Id,
  how: (known: Transcript) => Transcript | null,
): SessionsState {
  const known = state.transcripts.get(session);
  if (!known) return state;
  const next = how(known);
  if (next === known) return state;
  if (next) return { ...state, transcripts: put(state.transcripts, session, next) };
  return { ...state, stale: new Set([...state.stale, session]) };
}

function lose(state: SessionsState, session: Id): SessionsState {
  const others = <T extends { session: Id }>(all: ReadonlyMap<Id, T>) =>
    new Map([...all].filter(([, one]) => one.session !== session));
  return {
    ...state,
    sessions: drop(state.sessions, session),
    transcripts: drop(state.transcripts, session),
    permissions: others(state.permissions),
    questions: others(state.questions),
    stale: without(state.stale, session),
    reading: drop(state.reading, session),
  };
}

/** Whether what is at a place is part of what was read at another. */
export function covers(read: Place | null, at: Place | null): boolean {
  if (read === null || at === null) return false;
  const [run, number] = split(read);
  const [otherRun, other] = split(at);
  return run === otherRun && other <= number;
}

function split(place: Place): [run: string, number: number] {
  const dot = place.lastIndexOf(".");
  return [place.slice(0, dot), Number(place.slice(dot + 1))];
}

/** What is looked for is nearly always the last. */
const find = (all: readonly { id: Id }[], id: Id): number =>
  all.findLastIndex(one => one.id === id);

const byId = <T extends { id: Id }>(all: readonly T[]): ReadonlyMap<Id, T> =>
  new Map(all.map(one => [one.id, one]));

const put = <T>(all: ReadonlyMap<Id, T>, id: Id, one: T): ReadonlyMap<Id, T> =>
  new Map(all).set(id, one);

function drop<T>(all: ReadonlyMap<string, T>, id: string): ReadonlyMap<string, T> {
  if (!all.has(id)) return all;
  const rest = new Map(all);
  rest.delete(id);
  return rest;
}

function without(all: ReadonlySet<string>, one: string): ReadonlySet<string> {
  if (!all.has(one)) return all;
  const rest = new Set(all);
  rest.delete(one);
  return rest;
}

// --- What is read off the state -------------------------------------------

export const works = (session: Session | undefined): boolean =>
  session?.state === "busy" || session?.state === "retrying";

/** The sessions that people opened, the last used first. */
export function rootsOf(state: SessionsState): Session[] {
  const roots = [...state.sessions.values()].filter(
    one => one.parent === null || !state.sessions.has(one.parent),
  );
  return roots.sort((a, b) => b.updated - a.updated || (a.id < b.id ? 1 : -1));
}

/** Those that a session's agent started, the oldest first. */
export function childrenOf(state: SessionsState, parent: Id): Session[] {
  const children = [...state.sessions.values()].filter(one => one.parent === parent);
  return children.sort((a, b) => a.created - b.created);
}

/** What waits for a person in a session or below it. */
export function waitsIn(state: SessionsState, session: Id): (Permission | Question)[] {
  const below = (one: Permission | Question) => one.root === session || one.session === session;
  return [...state.permissions.values(), ...state.questions.values()].filter(below);
}
