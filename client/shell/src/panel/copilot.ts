/**
 * The sessions of one room as signals, and what can be done with them. It has
 * the network and the reducer; it draws nothing. Nothing is started before
 * somebody wants something: an agent that is off stays off.
 */

import { type Accessor, batch, createSignal, onCleanup } from "solid-js";
import {
  type Input,
  LIST,
  NO_SESSIONS,
  reduce,
  type SessionsState,
  type Transcript,
  works,
} from "../../../core/src/sessions.ts";
import type {
  Can,
  Choices,
  Id,
  Prompt,
  Session,
  Update,
} from "../../../core/src/sessions-model.ts";
import { ApiError, SessionsApi } from "../../../dom/src/sessions-api.ts";
import { roomUrl } from "../../../dom/src/socket.ts";
import type { TandemRoom } from "../../../element/src/index.ts";
import { recall, remember } from "../remembered.ts";
import { RoomLink } from "./link.ts";

const PAGE = 50;
const READ_AGAIN_MS = 2000;

export type Connection = "off" | "opening" | "open" | "lost" | "refused";

/** What waits to be said until the agent is done with the last. */
export interface Queued {
  key: number;
  session: Id;
  prompt: Prompt;
}

export interface Copilot {
  state: Accessor<SessionsState>;
  connection: Accessor<Connection>;
  can: Accessor<Can | null>;
  choices: Accessor<Choices | null>;
  /** The session that is shown; null is a new one that has no name yet. */
  current: Accessor<Id | null>;
  session: Accessor<Session | undefined>;
  transcript: Accessor<Transcript | undefined>;
  /** What went wrong last, in words; it stands until something goes well. */
  trouble: Accessor<string | null>;
  queue: Accessor<readonly Queued[]>;
  start: () => void;
  api: SessionsApi;
  /** Runs an action; a failure is told, and answered with null. */
  attempt: <T>(action: () => Promise<T>) => Promise<T | null>;
  forgive: () => void;
  open: (session: Id | null) => void;
  older: () => Promise<void>;
  /** False when it was not taken: the words are still the person's. */
  say: (prompt: Prompt, now?: boolean) => Promise<boolean>;
  unqueue: (key: number) => void;
  sendNow: (key: number) => void;
  take: (input: Input) => void;
}

/** The name of the project that is meant when none is named. */
export const FIRST = "main";
/** Where this browser remembers which session was open. */
export const memoryOf = (room: string, project: Id): string =>
  project === FIRST ? `session.${room}` : `session.${room}.${project}`;

export function createCopilot(element: TandemRoom, project: Id): Copilot {
  const room = element.room;
  const base = roomUrl({ base: element.src, room }, "/sessions");
  const api = new SessionsApi(base, project === FIRST ? null : project);
  const [state, setState] = createSignal<SessionsState>(NO_SESSIONS);
  const [connection, setConnection] = createSignal<Connection>("off");
  const [can, setCan] = createSignal<Can | null>(null);
  const [choices, setChoices] = createSignal<Choices | null>(null);
  const [trouble, setTrouble] = createSignal<string | null>(null);
  const [queue, setQueue] = createSignal<readonly Queued[]>([]);
  const memory = memoryOf(room, project);
  const [current, setCurrent] = createSignal<Id | null>(recall(memory));

  // --- Updates come in by the frame -------------------------------------
  let waiting: Input[] = [];
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    const inputs = waiting;
    waiting = [];
    batch(() => {
      setState(before => inputs.reduce(reduce, before));
      settle();
    });
  };
  const take = (input: Input) => {
    waiting.push(input);
    if (scheduled) return;
    scheduled = true;
    // A page in the background has no frames.
    if (document.hidden) setTimeout(flush, 50);
    else requestAnimationFrame(flush);
  };

  // --- What is stale is read anew ---------------------------------------
  const reading = new Set<string>();
  let again: ReturnType<typeof setTimeout> | undefined;
  const settle = () => {
    const open = current();
    if (open !== null && !state().sessions.has(open) && known) openSession(null);
    if (connection() !== "open") return;
    for (const what of state().stale) void read(what);
    pump();
  };
  /** The list was read once, so that a session that is not in it is gone. */
  let known = false;
  const read = async (what: string): Promise<void> => {
    if (reading.has(what)) return;
    reading.add(what);
    try {
      if (what === LIST) {
        const [sessions, pending] = await Promise.all([api.list(), api.pending()]);
        const open = current();
        if (open !== null && !sessions.some(one => one.id === open)) {
          const found = await api.show(open).catch(() => null);
          if (found) sessions.push(found);
        }
        known = true;
        take({ is: "list", sessions, ...pending });
      } else {
        take({ is: "page", session: what, page: await api.messages(what, null, PAGE) });
      }
      setTrouble(null);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && what !== LIST) {
        take({ is: "update", update: { type: "session_gone", session: what } });
      } else {
        const isAway = error instanceof ApiError && error.status === 503;
        // Why it is away is told as the agent's state.
        if (isAway) await readAgent();
        else tell(error);
        clearTimeout(again);
        again = setTimeout(settle, READ_AGAIN_MS);
      }
    } finally {
      reading.delete(what);
    }
  };
  const tell = (error: unknown) =>
    setTrouble(error instanceof Error ? error.message : "Something went wrong. Try again.");

  // --- The stream --------------------------------------------------------
  const link = new RoomLink(element, project, api.url("/events"), {
    update: (update: Update, at) => {
      if (update.type === "session" && update.session.state !== "idle") {
        begins.delete(update.session.id);
      }
      if (update.type === "snapshot") begins.clear();
      // It may be another one than before, which can do other things.
      if (update.type === "agent" && update.agent.state === "ready") void readAgent();
      take({ is: "update", update, at });
    },
    open: () => {
      setConnection("open");
      void readAgent();
      settle();
    },
    lost: error => {
      setConnection(error?.isFinal ? "refused" : "lost");
      if (error && error.status !== 503) tell(error);
      void readAgent();
    },
  });
  const readAgent = async () => {
    try {
      const agent = await api.agent();
      setCan(agent.can ?? null);
      take({ is: "agent", agent });
      // It cannot be had until somebody does something about it: no use in asking on and on.
      if (agent.state === "failed") {
        link.stop();
        setConnection("off");
      }
      if (agent.state === "ready" && choices() === null && agent.can?.models) {
        setChoices(await api.choices());
      }
    } catch {
      // The stream says so already.
    }
  };
  const start = () => {
    if (connection() === "open" || connection() === "opening") return;
    setConnection("opening");
    take({ is: "agent", agent: { state: "starting" } });
    link.start();
  };
  const wake = () => {
    if (!document.hidden && connection() === "lost") link.start();
  };
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);
  onCleanup(() => {
    link.stop();
    clearTimeout(again);
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("online", wake);
  });
  // Where somebody talked before, they find it again; else only whether it runs is asked for.
  if (current() !== null) start();
  else {
    void api.agent().then(
      agent => {
        setCan(agent.can ?? null);
        take({ is: "agent", agent });
        if (agent.state === "ready" || agent.state === "restarting") start();
      },
      error => {
        if (error instanceof ApiError && error.isFinal) setConnection("refused");
        tell(error);
      },
    );
  }

  // --- Doing --------------------------------------------------------------
  const attempt = async <T>(action: () => Promise<T>): Promise<T | null> => {
    try {
      const done = await action();
      setTrouble(null);
      return done;
    } catch (error) {
      tell(error);
      return null;
    }
  };
  const openSession = (session: Id | null) => {
    setCurrent(session);
    remember(memory, session);
    if (session === null) return;
    start();
    if (!state().transcripts.has(session) && connection() === "open") void read(session);
  };
  // What is remembered is read when the stream stands.
  const needed = () => {
    const open = current();
    if (open !== null && connection() === "open" && !state().transcripts.has(open)) void read(open);
  };

  const session = () => {
    const id = current();
    return id === null ? undefined : state().sessions.get(id);
  };
  /** Something was said in these, and their turn has not been told of yet. */
  const begins = new Set<Id>();
  const post = async (id: Id, prompt: Prompt): Promise<boolean> => {
    begins.add(id);
    const command = /^\/([\w:-]+)\s*([\s\S]*)$/.exec(prompt.text);
    const isCommand =
      command && choices()?.commands.some(one => one.name === command[1]) && can()?.commands;
    const done = await attempt<true>(() =>
      isCommand ? api.command(id, command[1] ?? "", command[2] ?? "") : api.prompt(id, prompt),
    );
    if (done === null) begins.delete(id);
    return done !== null;
  };
  let keys = 0;
  const say = async (prompt: Prompt, now = false): Promise<boolean> => {
    start();
    const id = current();
    if (id === null) {
      const made = await attempt(() => api.create());
      if (!made) return false;
      take({ is: "session", session: made });
      take({ is: "page", session: made.id, page: { messages: [], todos: [], before: null } });
      setCurrent(made.id);
      remember(memory, made.id);
      return post(made.id, prompt);
    }
    if ((works(session()) || begins.has(id)) && !now) {
      keys += 1;
      setQueue(all => [...all, { key: keys, session: id, prompt }]);
      return true;
    }
    return post(id, prompt);
  };
  const unqueue = (key: number) => setQueue(all => all.filter(one => one.key !== key));
  const sendNow = (key: number) => {
    const one = queue().find(each => each.key === key);
    if (!one) return;
    unqueue(key);
    void post(one.session, one.prompt).then(sent => {
      if (!sent) setQueue(all => [one, ...all]);
    });
  };
  /** The next that waits, of each session that rests; one at a time. */
  const pump = () => {
    needed();
    const rests = (one: Queued) =>
      state().sessions.get(one.session)?.state === "idle" && !begins.has(one.session);
    const one = queue().find(rests);
    if (one) sendNow(one.key);
  };

  return {
    state,
    connection,
    can,
    choices,
    current,
    session,
    transcript: () => state().transcripts.get(current() ?? ""),
    trouble,
    queue,
    start,
    api,
    attempt,
    forgive: () => setTrouble(null),
    open: openSession,
    older: async () => {
      const id = current();
      const before = id === null ? null : state().transcripts.get(id)?.before;
      if (id === null || !before) return;
      const page = await attempt(() => api.messages(id, before, PAGE));
      if (page) take({ is: "older", session: id, page, asked: before });
    },
    say,
    unqueue,
    sendNow,
    take,
  };
}
