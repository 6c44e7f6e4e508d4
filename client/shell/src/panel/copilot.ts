/**
 * The sessions of one room as signals, and what can be done with them. It has
 * the network and the reducer; it draws nothing. Nothing is started before
 * somebody wants something: an agent that is off stays off.
 */
import { type Accessor, batch, createEffect, createSignal, on, onCleanup, untrack } from "solid-js";
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
import { keptQueue, type Queued } from "./drafts.ts";
import { RoomLink } from "./link.ts";

const PAGE = 50;
const READ_AGAIN_MS = 2000;
const LOOK_AGAIN_MS = 1500;

export type Connection = "off" | "opening" | "open" | "lost" | "refused";

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
  /** Under which name this browser remembers what belongs to this room and project. */
  memory: string;
  /** Runs an action; a failure is told, and answered with null. */
  attempt: <T>(action: () => Promise<T>) => Promise<T | null>;
  forgive: () => void;
  open: (session: Id | null) => void;
  older: () => Promise<void>;
  /** The agent's command that a text calls, if it does. */
  commandIn: (text: string) => { name: string; args: string } | null;
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

/** An agent that is off stays so until the panel is `shown`. */
export function createCopilot(element: TandemRoom, project: Id, shown: Accessor<boolean>): Copilot {
  const room = element.room;
  const base = roomUrl({ base: element.src, room }, "/sessions");
  const api = new SessionsApi(base, project === FIRST ? null : project, () =>
    element.authorization(),
  );
  const [state, setState] = createSignal<SessionsState>(NO_SESSIONS);
  const [connection, setConnection] = createSignal<Connection>("off");
  const [can, setCan] = createSignal<Can | null>(null);
  const [choices, setChoices] = createSignal<Choices | null>(null);
  const [trouble, setTrouble] = createSignal<string | null>(null);
  const memory = memoryOf(room, project);
  const kept = keptQueue(memory);
  let keys = 0;
  const [queue, setQueue] = createSignal<readonly Queued[]>(
    kept.read().map(one => {
      keys += 1;
      return { ...one, key: keys };
    }),
  );
  createEffect(on(queue, all => kept.write(all), { defer: true }));
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
    take({ is: "reading", what });
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
      // What went wrong with what somebody did stands until they have seen it.
      if (isOfReading) setTrouble(null);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && what !== LIST) {
        take({ is: "update", update: { type: "session_gone", session: what } });
      } else {
        const isAway = error instanceof ApiError && error.status === 503;
        // Why it is away is told as the agent's state.
        if (isAway) await readAgent();
        else {
          tell(error);
          isOfReading = true;
        }
        clearTimeout(again);
        again = setTimeout(settle, READ_AGAIN_MS);
      }
    } finally {
      reading.delete(what);
    }
  };
  let isOfReading = false;
  const tell = (error: unknown) => {
    isOfReading = false;
    setTrouble(error instanceof Error ? error.message : "Something went wrong. Try again.");
  };

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
    // Why it does not start is told by the agent's state, while the stream says nothing.
    clearInterval(watching);
    watching = setInterval(() => {
      if (connection() === "opening") void readAgent();
      else clearInterval(watching);
    }, LOOK_AGAIN_MS);
  };
  let watching: ReturnType<typeof setInterval> | undefined;
  const wake = () => {
    if (!document.hidden && connection() === "lost") link.start();
  };
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);
  onCleanup(() => {
    link.stop();
    clearTimeout(again);
    clearInterval(watching);
    document.removeEventListener("visibilitychange", wake);
    window.removeEventListener("online", wake);
  });
  // Where somebody talked before, they find it again; else only whether it runs is asked for.
  const isBusy = () => current() !== null || queue().length > 0;
  createEffect(() => {
    if (shown() && isBusy()) untrack(start);
  });
  if (!untrack(() => shown() && isBusy())) {
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
  const commandIn = (text: string) => {
    const [, name, args] = /^\/([\w:-]+)\s*([\s\S]*)$/.exec(text) ?? [];
    const isOne =
      name !== undefined &&
      can()?.commands === true &&
      choices()?.commands.some(one => one.name === name);
    return isOne ? { name, args: args ?? "" } : null;
  };
  /** Something was said in these, and their turn has not been told of yet. */
  const begins = new Set<Id>();
  const post = async (id: Id, prompt: Prompt): Promise<boolean> => {
    begins.add(id);
    const command = commandIn(prompt.text);
    const done = await attempt<true>(() =>
      command
        ? api.command(id, command.name, command.args, prompt.files ?? [])
        : api.prompt(id, prompt),
    );
    if (done === null) begins.delete(id);
    return done !== null;
  };
  /** A first start may take longer than the server lets anybody wait for it. */
  const onceStarted = async <T>(action: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 503) throw error;
        await readAgent();
        const now = untrack(state).agent?.state;
        if (now !== "starting" && now !== "restarting") throw error;
        await new Promise(done => setTimeout(done, READ_AGAIN_MS));
      }
    }
  };
  const say = async (prompt: Prompt, now = false): Promise<boolean> => {
    start();
    const id = current();
    if (id === null) {
      // It can be seen where what waits is seen, until there is a session for it.
      keys += 1;
      const waiting: Queued = { key: keys, session: "", prompt, sending: true };
      setQueue(all => [...all, waiting]);
      const made = await attempt(() => onceStarted(api.create));
      unqueue(waiting.key);
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
    if (!one || one.sending) return;
    unqueue(key);
    const sent = one.session === "" ? say(one.prompt) : post(one.session, one.prompt);
    void sent.then(sent => {
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
    memory,
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
    commandIn,
    say,
    unqueue,
    sendNow,
    take,
  };
}
