import { describe, expect, it } from "vitest";
import { EventStream } from "../src/event-stream.ts";
import {
  childrenOf,
  covers,
  type Input,
  LIST,
  NO_SESSIONS,
  reduce,
  rootsOf,
  type SessionsState,
  waitsIn,
  works,
} from "../src/sessions.ts";
import type { Message, Part, Session, Update } from "../src/sessions-model.ts";

type Line = { id: string; update: Update };
const files = import.meta.glob<string>("./streams/*.jsonl", {
  query: "?raw",
  import: "default",
  eager: true,
});
const streams = Object.entries(files).map(([path, raw]) => ({
  name: path.replace("./streams/", ""),
  lines: raw
    .trim()
    .split("\n")
    .map(line => JSON.parse(line) as Line),
}));

const session = (id: string, more: Partial<Session> = {}): Session =>
  ({
    id,
    title: id,
    state: "idle",
    parent: null,
    created: 1,
    updated: 1,
    cost: 0,
    model: null,
    agent: null,
    context: null,
    reverted: null,
    tokens: { input: 0, output: 0, reasoning: 0, cache_read: 0, cache_write: 0 },
    ...more,
  }) as Session;
const text = (id: string, words: string, done = true): Part => ({
  id,
  kind: "text",
  text: words,
  done,
});
const message = (id: string, parts: Part[] = []): Message => ({
  id,
  role: "agent",
  error: null,
  created: 1,
  done: false,
  parts,
});
const play = (state: SessionsState, inputs: readonly Input[]) => inputs.reduce(reduce, state);
const update = (one: Update, at?: string): Input => ({ is: "update", update: one, at: at ?? null });
const page = (id: string, messages: Message[], before: string | null = null): Input => ({
  is: "page",
  session: id,
  page: { messages, todos: [], before },
});
const open = (messages: Message[] = [], before: string | null = null): SessionsState =>
  play(NO_SESSIONS, [
    { is: "list", sessions: [session("s")], permissions: [], questions: [] },
    page("s", messages, before),
  ]);

/** What the API would answer at this moment, read by a page that knows nothing. */
function snapshotOf(state: SessionsState, at: string | null): Input[] {
  return [
    ...(state.agent ? [{ is: "agent" as const, agent: state.agent }] : []),
    {
      is: "list",
      sessions: [...state.sessions.values()],
      permissions: [...state.permissions.values()],
      questions: [...state.questions.values()],
    },
    ...[...state.transcripts].map(
      ([id, { messages, todos, before }]): Input => ({
        is: "page",
        session: id,
        page: { messages, todos, before, at },
      }),
    ),
  ];
}
const sorted = (state: SessionsState) => ({
  agent: state.agent,
  sessions: Object.fromEntries(state.sessions),
  transcripts: Object.fromEntries(
    [...state.transcripts].map(([id, { messages, todos, before }]) => [
      id,
      { messages, todos, before },
    ]),
  ),
  permissions: Object.fromEntries(state.permissions),
  questions: Object.fromEntries(state.questions),
  stale: [...state.stale],
});

describe.each(streams)("the recorded stream $name", ({ lines }) => {
  // All of its sessions are open from the start, with nothing said in them.
  const ids = new Set(
    lines.flatMap(({ update }) =>
      "session" in update && typeof update.session === "string" ? [update.session] : [],
    ),
  );
  const start = play(NO_SESSIONS, [
    { is: "list", sessions: [...ids].map(id => session(id)), permissions: [], questions: [] },
    ...[...ids].map(id => page(id, [])),
  ]);
  const told = lines.map(({ id, update: one }) => update(one, id));
  const end = play(start, told);

  it("ends with nothing open, waiting or unread", () => {
    expect(end.stale.size).toBe(0);
    expect([...end.permissions, ...end.questions]).toEqual([]);
    for (const { messages } of end.transcripts.values()) {
      for (const { parts, done } of messages) {
        expect(done).toBe(true);
        for (const part of parts) {
          if (part.kind === "text" || part.kind === "reasoning") expect(part.done).toBe(true);
          if (part.kind === "tool") expect(["done", "failed"]).toContain(part.state);
        }
      }
    }
  });

  it("is the same when it is cut anywhere and resumed from a snapshot", () => {
    for (let cut = 0; cut <= told.length; cut += 1) {
      const there = play(start, told.slice(0, cut));
      const resumed = play(NO_SESSIONS, [
        ...snapshotOf(there, lines[cut - 1]?.id ?? null),
        ...told.slice(cut),
      ]);
      expect(sorted(resumed), `cut at ${cut}`).toEqual(sorted(end));
    }
  });

  it("is the same when what the snapshot holds already is told once more", () => {
    for (let cut = 0; cut <= told.length; cut += 1) {
      const there = play(start, told.slice(0, cut));
      const late = Math.max(0, cut - 5);
      const resumed = play(NO_SESSIONS, [
        ...snapshotOf(there, lines[cut - 1]?.id ?? null),
        // What is of no transcript has no place to compare, and comes in its order all the same.
        ...told.slice(late).filter(({ is }) => is === "update"),
      ]);
      const { transcripts } = sorted(resumed);
      expect(transcripts, `cut at ${cut}`).toEqual(sorted(end).transcripts);
    }
  });

  it("is the same when answers come late, and meanwhile more is told", () => {
    for (let cut = 0; cut <= told.length; cut += 1) {
      const there = play(start, told.slice(0, cut));
      const [asked, came] = [Math.max(0, cut - 3), Math.min(told.length, cut + 5)];
      // Known before, and read anew; or not known at all.
      for (const before of [play(start, told.slice(0, asked)), NO_SESSIONS]) {
        const resumed = play(before, [
          ...[LIST, ...ids].map((what): Input => ({ is: "reading", what })),
          ...told.slice(asked, came),
          ...snapshotOf(there, lines[cut - 1]?.id ?? "0.0"),
          ...told.slice(came),
        ]);
        expect({ ...sorted(resumed), agent: null }, `cut at ${cut}`).toEqual({
          ...sorted(end),
          agent: null,
        });
        expect(resumed.reading.size).toBe(0);
      }
    }
  });

  it("says the same by pieces as by whole parts at the end", () => {
    const whole = play(
      start,
      told.filter(one => one.is !== "update" || one.update.type !== "piece"),
    );
    expect(sorted(whole)).toEqual(sorted(end));
  });

  it("changes nothing that is not told of, so that it is drawn again by what changed", () => {
    let before = start;
    for (const one of told) {
      const after = reduce(before, one);
      const about =
        one.is === "update" && "session" in one.update && typeof one.update.session === "string"
          ? one.update.session
          : null;
      for (const [id, transcript] of after.transcripts) {
        if (id !== about) expect(transcript).toBe(before.transcripts.get(id));
      }
      before = after;
    }
  });
});

describe("the reducer", () => {
  it("ignores an update of a type that is not known", () => {
    const state = open([message("m1")]);
    expect(reduce(state, update({ type: "hello" } as unknown as Update))).toBe(state);
  });

  it("asks for a snapshot of a session when a part comes for a message that is not known", () => {
    const state = open([message("m1")]);
    const part = update({ type: "part", session: "s", message: "m2", part: text("p", "x") });
    const piece = update({ type: "piece", session: "s", message: "m1", part: "p9", text: "x" });
    expect([...reduce(state, part).stale]).toEqual(["s"]);
    expect([...reduce(state, piece).stale]).toEqual(["s"]);
    expect(play(state, [part, page("s", [])]).stale.size).toBe(0);
  });

  it("asks for nothing when it is about a message before the first that was read", () => {
    const state = open([message("m5")], "more");
    const part = update({ type: "part", session: "s", message: "m2", part: text("p", "x") });
    expect(reduce(state, part)).toBe(state);
    const { transcripts } = reduce(
      state,
      update({ type: "message", session: "s", message: message("m2") }),
    );
    expect(transcripts.get("s")?.messages).toHaveLength(1);
  });

  it("leaves sessions that are not open unread", () => {
    const state = open();
    const part = update({ type: "part", session: "other", message: "m", part: text("p", "x") });
    expect(reduce(state, part)).toBe(state);
  });

  it("reads the list and all that is open anew after a snapshot", () => {
    const stale = reduce(open(), update({ type: "snapshot" })).stale;
    expect([...stale].sort()).toEqual([LIST, "s"].sort());
  });

  it("adds a piece once, and none to a part that is whole", () => {
    const state = open([message("m1", [text("p", "a", false)])]);
    const piece = (id: string): Input =>
      update({ type: "piece", session: "s", message: "m1", part: "p", text: "b" }, id);
    const read: Input = {
      is: "page",
      session: "s",
      page: {
        messages: [message("m1", [text("p", "ab", false)])],
        todos: [],
        before: null,
        at: "r.7",
      },
    };
    const words = (after: SessionsState) => {
      const part = after.transcripts.get("s")?.messages[0]?.parts[0];
      return part?.kind === "text" ? part.text : null;
    };
    expect(words(play(state, [read, piece("r.7")]))).toBe("ab");
    expect(words(play(state, [read, piece("r.8")]))).toBe("abb");
    expect(words(play(state, [read, piece("other.2")]))).toBe("abb");
    const whole = update({ type: "part", session: "s", message: "m1", part: text("p", "ab") });
    expect(words(play(state, [whole, piece("r.9")]))).toBe("ab");
  });

  it("reads once more what was asked for before a snapshot was told, or missed too much", () => {
    const asked = (): Input => ({ is: "reading", what: "s" });
    const piece = update(
      { type: "piece", session: "s", message: "m1", part: "p", text: "b" },
      "r.8",
    );
    const answer: Input = {
      is: "page",
      session: "s",
      page: { messages: [message("m1")], todos: [], before: null, at: "r.7" },
    };
    const told = play(open(), [asked(), update({ type: "snapshot" }), answer]);
    expect(told.stale.has("s")).toBe(true);
    expect(play(told, [asked(), answer]).stale.has("s")).toBe(false);
    const much = play(open(), [asked(), ...Array.from({ length: 2001 }, () => piece), answer]);
    expect(much.stale.has("s")).toBe(true);
    expect(much.reading.size).toBe(0);
  });

  it("brings nothing back that went while the list was read", () => {
    const permission = {
      id: "p",
      session: "s",
      root: "s",
      call: null,
      tool: "bash",
      input: null,
      complete: false,
      patterns: [],
      always: [],
    };
    const state = play(open(), [
      { is: "reading", what: LIST },
      update({ type: "permission_gone", session: "s", permission: "p", why: "answered" }),
      update({ type: "session", session: session("s", { state: "busy" } as Partial<Session>) }),
      { is: "list", sessions: [session("s")], permissions: [permission], questions: [] },
    ]);
    expect(state.permissions.size).toBe(0);
    expect(state.sessions.get("s")?.state).toBe("busy");
  });

  it("keeps messages and parts in the order of their ids, whenever they come", () => {
    const parts = ["p3", "p1", "p2"].map(id =>
      update({ type: "part", session: "s", message: "m1", part: text(id, id) }),
    );
    const heads = ["m3", "m2"].map(id =>
      update({ type: "message", session: "s", message: message(id) }),
    );
    const found = play(open([message("m1")]), [...heads, ...parts]).transcripts.get("s");
    expect(found?.messages.map(one => one.id)).toEqual(["m1", "m2", "m3"]);
    expect(found?.messages[0]?.parts.map(one => one.id)).toEqual(["p1", "p2", "p3"]);
  });

  it("joins older messages on, once, and numbers them downwards", () => {
    const state = open([message("m5"), message("m6")], "b1");
    const asked: Input = {
      is: "older",
      session: "s",
      asked: "b1",
      page: { messages: [message("m3"), message("m4"), message("m5")], todos: [], before: "b2" },
    };
    const known = play(state, [asked, asked]).transcripts.get("s");
    expect(known?.messages.map(one => one.id)).toEqual(["m3", "m4", "m5", "m6"]);
    expect([known?.first, known?.before]).toEqual([-2, "b2"]);
  });

  it("keeps what was read of the past when the newest page joins on to it, and drops it over a gap", () => {
    const state = play(open([message("m5"), message("m6")], "b1"), [
      {
        is: "older",
        session: "s",
        asked: "b1",
        page: { messages: [message("m4")], todos: [], before: "b2" },
      },
    ]);
    const joined = reduce(state, page("s", [message("m6"), message("m7")], "b9"));
    expect(joined.transcripts.get("s")?.messages.map(one => one.id)).toEqual([
      "m4",
      "m5",
      "m6",
      "m7",
    ]);
    expect(joined.transcripts.get("s")?.before).toBe("b2");
    const gap = reduce(state, page("s", [message("m8")], "b9"));
    expect(gap.transcripts.get("s")?.messages.map(one => one.id)).toEqual(["m8"]);
    expect(gap.transcripts.get("s")?.before).toBe("b9");
  });

  it("forgets a session with all that waits in it", () => {
    const state = play(open(), [
      update({
        type: "permission",
        permission: {
          id: "p",
          session: "s",
          root: "s",
          call: null,
          tool: "bash",
          input: null,
          complete: false,
          patterns: [],
          always: [],
        },
      }),
      update({ type: "session_gone", session: "s" }),
    ]);
    expect([state.sessions.size, state.transcripts.size, state.permissions.size]).toEqual([
      0, 0, 0,
    ]);
  });

  it("lists what people opened, the last used first, and below it what its agent started", () => {
    const state = play(NO_SESSIONS, [
      update({ type: "session", session: session("a", { updated: 5 }) }),
      update({ type: "session", session: session("b", { updated: 9 }) }),
      update({ type: "session", session: session("c", { parent: "a", updated: 20 }) }),
      update({ type: "session", session: session("d", { parent: "gone", updated: 1 }) }),
    ]);
    expect(rootsOf(state).map(one => one.id)).toEqual(["b", "a", "d"]);
    expect(childrenOf(state, "a").map(one => one.id)).toEqual(["c"]);
    expect(waitsIn(state, "a")).toEqual([]);
    expect(works(session("x", { state: "busy" } as Partial<Session>))).toBe(true);
  });

  it("compares places of one run only", () => {
    expect(covers("r.9", "r.10")).toBe(false);
    expect(covers("r.10", "r.9")).toBe(true);
    expect(covers("r.10", "q.9")).toBe(false);
    expect(covers(null, "r.1")).toBe(false);
  });
});

describe("a stream of events", () => {
  const raw = 'id: r.1\ndata: {"a":1}\n\n: still here\n\nid: r.2\r\ndata: one\r\ndata: two\r\n\r\n';
  it("is the same however it is cut", () => {
    const whole = new EventStream().push(raw);
    expect(whole).toEqual([
      { id: "r.1", data: '{"a":1}' },
      { id: "r.2", data: "one\ntwo" },
    ]);
    for (let cut = 0; cut <= raw.length; cut += 1) {
      const stream = new EventStream();
      expect([...stream.push(raw.slice(0, cut)), ...stream.push(raw.slice(cut))]).toEqual(whole);
    }
  });
});
