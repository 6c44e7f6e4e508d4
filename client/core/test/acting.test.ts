import { describe, expect, it } from "vitest";
import {
  type ApprovalView,
  actingOf,
  answeredWords,
  argumentsOf,
  askedOf,
  en,
  type FloorView,
  foldLines,
  groupLines,
  hostOf,
  joinLines,
  mainAsk,
  noticeOf,
  offersOf,
  outcomeWords,
  type Presence,
  parseServerMessage,
  privateOf,
  type RecordLine,
  type RoomView,
  readRecord,
  recordQuery,
  refusalOf,
  ruleWords,
  type Settled,
  sayPieces,
  sentenceOf,
  settledWords,
  shownText,
  stripWords,
  timeLeft,
  whoAsks,
} from "../src/index.ts";

const ada: Presence = { id: "p-ada", name: "Ada", kind: "person", role: "controller" };
const bo: Presence = { id: "p-bo", name: "Bo", kind: "person", role: "controller" };
const eve: Presence = { id: "p-eve", name: "Eve", kind: "person", role: "admin" };
const vera: Presence = { id: "p-vera", name: "Vera", kind: "person", role: "viewer" };
const bot: Presence = { id: "a-bot", name: "Bot", kind: "agent", role: "agent" };

const roomWith = (floor: Partial<FloorView>, rest: Partial<RoomView> = {}): RoomView => ({
  id: "main",
  size: { width: 1280, height: 720 },
  phase: { state: "live" },
  present: [ada, bo, eve, vera, bot],
  holder: null,
  private: null,
  floor: { mode: "together", takeover: null, turn: null, requests: [], hand_backs: 0, ...floor },
  waiting: [],
  help: [],
  approvals: [],
  page: null,
  ...rest,
});

describe("the strip", () => {
  it.each<[Partial<FloorView>, Presence | null, string]>([
    [{}, null, "Together"],
    [{}, bot, "Together · Bot is acting"],
    [{}, ada, "Together · You are acting"],
    [{ mode: "turns", turn: bot }, bot, "Turns · Bot's turn"],
    [{ mode: "turns", turn: ada }, ada, "Turns · Your turn"],
    [{ mode: "turns" }, null, "Turns · Nobody's turn"],
    [{ takeover: bo }, bo, "Bo has taken over"],
    [{ mode: "turns", turn: bot, takeover: ada }, ada, "You have taken over"],
    [{ mode: "watch" }, bot, "Watch only · Bot is acting"],
    [{ mode: "hands-off" }, null, "Hands off"],
  ])("%o with holder %o reads %s", (floor, holder, words) => {
    expect(stripWords(roomWith(floor, { holder }), ada.id)).toBe(words);
  });

  it("has the colour of whoever acts, and of nobody when nobody does", () => {
    expect(actingOf(roomWith({ takeover: bo }), ada.id).who).toBe(bo);
    expect(actingOf(roomWith({ mode: "turns" }), ada.id).who).toBeNull();
    expect(stripWords(null, null)).toBe("");
  });
});

describe("a private moment", () => {
  const moment = (by: Presence): RoomView => ({
    ...roomWith({}),
    private: { by, by_field: true, from: "controller", ending: false },
  });

  it("hides the picture from who is below the role, and from nobody else", () => {
    expect(privateOf(moment(bo), vera)?.hidden).toBe(true);
    expect(privateOf(moment(bo), null)?.hidden).toBe(true);
    expect(privateOf(moment(bo), ada)?.hidden).toBe(false);
    expect(privateOf(moment(vera), vera)).toMatchObject({ mine: true, hidden: false });
    expect(privateOf(roomWith({}), vera)).toBeNull();
    const live = { name: "live", seen: true } as never;
    expect(noticeOf(live, moment(bo), en, vera)?.sentence).toContain("Bo is typing");
    expect(noticeOf(live, moment(bo), en, ada)).toBeNull();
  });

  it("is ended by whose it is, and said before all else", () => {
    expect(offersOf(moment(ada), ada, true).private).toBe("end");
    expect(offersOf(roomWith({}), ada, true).private).toBe("begin");
    expect(stripWords(moment(bo), ada.id)).toContain("Bo is in private");
    expect(stripWords(moment(ada), ada.id)).toContain("You are in private");
  });
});

describe("what is offered", () => {
  const offers = (floor: Partial<FloorView>, you: Presence = ada) =>
    offersOf(roomWith(floor), you, you.role !== "viewer");

  it("one button takes over and hands back", () => {
    expect(mainAsk(offers({}))).toEqual({ kind: "takeover" });
    expect(mainAsk(offers({ takeover: ada }), "  logged in ")).toEqual({
      kind: "hand-back",
      note: "logged in",
    });
    expect(mainAsk(offers({ mode: "turns", turn: ada }))).toEqual({ kind: "hand-back", note: "" });
    expect(mainAsk(offers({ mode: "watch" }))).toEqual({ kind: "takeover" });
  });

  it("who only watches is offered nothing", () => {
    expect(offers({}, vera)).toEqual({
      main: null,
      private: null,
      ask: null,
      withdraw: false,
      give: [],
      modes: [],
    });
  });

  it("somebody else's takeover is left alone, unless by an admin", () => {
    expect(offers({ takeover: bo })).toMatchObject({ main: null, ask: null, give: [], modes: [] });
    expect(offers({ takeover: bo }, eve).main).toBe("take-over");
    expect(offers({ takeover: eve }, { ...eve, id: "p-other" }).main).toBeNull();
  });

  it("in turns one asks a person, has it at once from an agent, and may stop asking", () => {
    expect(offers({ mode: "turns", turn: bo }).ask).toEqual({ of: bo, atOnce: false });
    expect(offers({ mode: "turns", turn: bot }).ask).toEqual({ of: bot, atOnce: true });
    const asked = offers({ mode: "turns", turn: bo, requests: [ada] });
    expect([asked.ask, asked.withdraw]).toEqual([null, true]);
    expect(offers({ mode: "turns" }).ask).toBeNull();
  });

  it("it is given to those who may act, those who ask first", () => {
    const given = offers({ mode: "turns", turn: ada, requests: [bot, eve] }).give;
    expect(given.map(who => who.name)).toEqual(["Bot", "Eve", "Bo"]);
    expect(offers({ takeover: ada }).give.map(who => who.name)).toEqual(["Bo", "Eve"]);
    expect(offers({ mode: "turns", turn: bo }, eve).give.map(who => who.name)).toEqual([
      "Ada",
      "Bot",
    ]);
  });

  it("the mode is not changed over somebody who has it", () => {
    expect(offers({ mode: "turns", turn: bo }).modes).toEqual([]);
    expect(offers({ mode: "turns", turn: bot }).modes).toEqual(["together", "watch", "hands-off"]);
  });

  it("says who asks only to whom there is something to give", () => {
    expect(whoAsks(roomWith({ mode: "turns", turn: ada, requests: [bo, bot] }), ada.id)).toBe(
      "Bo and Bot ask for a turn",
    );
    expect(whoAsks(roomWith({ requests: [bo] }), ada.id)).toBe("");
  });
});

describe("a refused hand", () => {
  const refusal = (floor: Partial<FloorView>, you = ada) => refusalOf(roomWith(floor), you, true);

  it("is told why, with the way out", () => {
    expect(refusal({ takeover: bo })).toEqual({
      words: "Bo has taken over. Wait for the hand-back.",
      ways: [],
    });
    expect(refusal({ takeover: bo }, eve)?.ways).toEqual(["take-over"]);
    expect(refusal({ mode: "turns", takeover: bo })?.ways).toEqual(["ask"]);
    expect(refusal({ mode: "turns", turn: bo })).toEqual({
      words: "It is Bo's turn.",
      ways: ["ask", "take-over"],
    });
    expect(refusal({ mode: "turns", turn: bo, requests: [ada] })?.words).toBe(
      "It is Bo's turn. You have asked.",
    );
    expect(refusal({ mode: "watch" })?.ways).toEqual(["take-over"]);
  });

  it("is no news where it is taken", () => {
    for (const floor of [
      {},
      { takeover: ada },
      { mode: "turns" as const },
      { mode: "turns" as const, turn: ada },
      { mode: "hands-off" as const },
      { mode: "watch" as const, takeover: ada },
    ]) {
      expect(refusal(floor), JSON.stringify(floor)).toBeNull();
    }
  });
});

const approval: ApprovalView = {
  id: "00000000000000aa-1",
  position: 1,
  of: 1,
  actor: bot.id,
  name: "Bot",
  role: "agent",
  tool: "browser_click",
  classes: ["input"],
  places: ["https://shop.example"],
  targets: [{ role: "button", name: "Pay now" }],
  arguments: { element: "the button", target: "e3", doubleClick: true },
  texts: [],
  shortened: false,
  why: null,
  rule: null,
  expires_at: 100_000,
  can_be_always: true,
  picture: false,
  answered: null,
  always: null,
  session: null,
};
const say = (change: Partial<ApprovalView>) => sayPieces(sentenceOf({ ...approval, ...change }));

describe("approvals", () => {
  it.each<[Partial<ApprovalView>, string]>([
    [{}, "Click “Pay now” (button) on shop.example"],
    [{ targets: [] }, "Click on shop.example"],
    [{ targets: [{ role: "button", name: "" }] }, "Click a button on shop.example"],
    [
      { tool: "browser_drag", targets: [...approval.targets, { role: "list", name: "Done" }] },
      "Drag “Pay now” (button) to “Done” (list) on shop.example",
    ],
    [
      {
        tool: "browser_navigate",
        targets: [],
        places: ["https://a.example", "https://b.example:8443"],
      },
      "Go to b.example:8443",
    ],
    [{ tool: "bash", classes: ["write", "execute"], targets: [], places: [] }, "Run a command"],
    [{ tool: "Input.x", classes: [], targets: [], places: [] }, "Do something"],
    [{ tool: "x", classes: ["download"], targets: [] }, "Download a file from shop.example"],
  ])("%o is asked as %s", (change, words) => {
    expect(say(change)).toBe(words);
  });

  it("the page's words are told from ours, and cannot turn or hide themselves", () => {
    const pieces = sentenceOf({
      ...approval,
      targets: [{ role: "button", name: "Cancel\u202e gnp\n\u200bX" }],
    });
    expect(pieces.find(piece => piece.is === "page")?.text).toBe("Cancel\ufffd gnp \ufffdX");
    expect(shownText("two\nlines\tand more")).toBe("two\nlines\tand more");
  });

  it("hosts are whole, with their ports and without who signs in", () => {
    expect(hostOf("https://shop.example@evil.example:81/x")).toBe("evil.example:81");
    expect(hostOf("about:blank")).toBe("about:blank");
  });

  it("those that are answered ask no more, and it is said by whom", () => {
    const answered = {
      by: bo.id,
      name: "Bo",
      role: "controller",
      answer: { answer: "always-for-origin" },
    } as const;
    const room = roomWith({}, { approvals: [approval, { ...approval, id: "2", answered }] });
    expect(askedOf(room).map(each => each.id)).toEqual([approval.id]);
    expect(answeredWords(answered, ada.id)).toBe("Bo said yes, always on this site");
    expect(answeredWords({ ...answered, answer: { answer: "deny" } }, bo.id)).toBe("You said no");
  });

  it("what became of a question is said by whom, whatever it was", () => {
    const answered = {
      by: bo.id,
      name: "Bo",
      role: "controller",
      answer: { answer: "deny" },
    } as const;
    const event = (how: unknown) =>
      parseServerMessage(
        JSON.stringify({ type: "event", event: { kind: "settled", id: "1-1", actor: "x", how } }),
      );
    const all: [Settled, string][] = [
      [{ is: "answered", answered }, "Bo said no"],
      [{ is: "expired" }, "Nobody answered in time, so it is a no"],
      [{ is: "stale" }, "The page has changed, so that question is over"],
      [{ is: "withdrawn" }, "That question was taken back"],
      [
        { is: "closed", reason: "the browser ended" },
        "That question was not answered: the browser ended",
      ],
    ];
    for (const [how, words] of all) {
      expect(event(how).ok).toBe(true);
      expect(settledWords(how, ada.id)).toBe(words);
    }
    expect(settledWords({ is: "answered", answered }, bo.id)).toBe("You said no");
    for (const wrong of [null, {}, { is: "answered" }, { is: "closed" }, { is: "lost" }]) {
      expect(event(wrong).ok).toBe(false);
    }
  });

  it("names the rule, and shows arguments that say something", () => {
    const rule = { scope: "room", name: "pay", line: 3 } as const;
    expect(ruleWords({ ...approval, rule })).toBe("The rule “pay” of this room asks");
    expect(ruleWords(approval)).toBe("No rule allows it, so you are asked");
    expect(argumentsOf(approval)).toEqual([["doubleClick", "true"]]);
    expect(argumentsOf({ ...approval, arguments: { text: "hi" }, texts: ["hi"] })).toEqual([]);
  });

  it("time runs from one to nothing, and a clock that is off shows none", () => {
    expect(timeLeft(approval, 60_000, 80_000)).toBe(0.5);
    expect(timeLeft(approval, 60_000, 200_000)).toBe(0);
    expect(timeLeft(approval, 200_000, 200_000)).toBeNull();
  });

  it("a view whose approval or floor is of no known form is refused", () => {
    const parse = (room: unknown) => parseServerMessage(JSON.stringify({ type: "view", room })).ok;
    expect(parse(roomWith({}, { approvals: [approval] }))).toBe(true);
    expect(parse({ ...roomWith({}), approvals: [{ ...approval, texts: [1] }] })).toBe(false);
    expect(parse(roomWith({ mode: "anarchy" as never }))).toBe(false);
  });
});

describe("the record", () => {
  const line = (seq: number, at: number, who: Presence, more: object = {}) => {
    const { id, name, role } = who;
    const told = { seq, at, kind: "act", what: "browser_click", outcome: "done", ...more };
    return { hash: "0", line: { ...told, who: { id, name, role } } };
  };
  const read = (...lines: unknown[]): RecordLine[] => readRecord({ lines })?.lines ?? [];

  it("is read as the server tells it, newest first, without what is no line", () => {
    const page = readRecord({
      lines: [
        line(1, 5, bot),
        { line: { seq: 2, at: 6, kind: "room", what: "started" } },
        { at: 7 },
        8,
      ],
      cursor: 1,
    });
    expect(page?.lines.map(each => [each.seq, each.who.name, each.what])).toEqual([
      [2, "The room", "Started"],
      [1, "Bot", "Click"],
    ]);
    expect(page?.next).toBe("1");
    for (const wrong of [null, [], {}, { lines: 1 }]) expect(readRecord(wrong)).toBeNull();
  });

  it.each<[object, string]>([
    [{ details: { element: "Pay now button" } }, "Click “Pay now button”"],
    [
      { what: "browser_navigate", details: { url: "https://a.example/" } },
      "Go to https://a.example/",
    ],
    [{ what: "Network.enable" }, "Network.enable"],
    [{ kind: "floor", what: "took over" }, "Took over"],
    [
      { kind: "setting", what: "mode", details: { mode: "hands-off" } },
      "Changed who may act: Hands off",
    ],
    [
      { kind: "input", what: "hands", details: { presses: 2, keys: 7, scrolls: 1, texts: 0 } },
      "Acted: 1 press, 4 keys, 1 scroll",
    ],
    [
      { kind: "approval", what: "answered", details: { answer: "deny", tool: "browser_click" } },
      "Said no: Click",
    ],
    [
      { kind: "approval", details: { targets: [{ role: "button", name: "Pay" }] } },
      "Wants a yes: Click “Pay”",
    ],
  ])("%o reads %s", (more, words) => {
    expect(read(line(1, 1, bot, more))[0]?.what).toBe(words);
  });

  it("what began and how it ended are one line, where both are there", () => {
    const begun = line(5, 10, bot, { outcome: "begun" });
    const end = line(7, 20, bot, { outcome: "refused", reason: "Ada took over", of: 5 });
    const [one, ...none] = foldLines(read(begun, end));
    expect(none).toEqual([]);
    expect([one?.seq, one?.outcome, one?.reason]).toEqual([5, "refused", "Ada took over"]);
    expect(foldLines(read(end)).map(each => each.seq)).toEqual([7]);
  });

  it("lines are joined by their number, and grouped by who, minute and day", () => {
    const minute = 60_000;
    const lines = joinLines(
      read(line(3, 9 * minute, bot), line(2, 9 * minute - 1, bot)),
      read(line(4, 9 * minute + 1, ada), line(3, 9 * minute, bot), line(1, minute, bot)),
    );
    const days = groupLines(lines, at => (at < 2 * minute ? "Monday" : "Today"));
    expect(
      days.map(day => [day.day, ...day.groups.map(group => group.lines.map(each => each.seq))]),
    ).toEqual([
      ["Today", [4], [3, 2]],
      ["Monday", [1]],
    ]);
  });

  it("only what did not go well has a word for it, and what was written is told", () => {
    const [note] = read(
      line(1, 1, ada, { kind: "floor", what: "handed back", details: { note: "go on" } }),
    );
    expect(note && [outcomeWords(note), note.said]).toEqual(["", "go on"]);
    const [refused] = read(line(1, 1, bot, { outcome: "refused" }));
    expect(refused && outcomeWords(refused)).toBe("refused");
  });

  it("a filter is a query", () => {
    expect(recordQuery({ who: "a-bot", kind: "", refused: true }, "17")).toMatchObject({
      who: "a-bot",
      outcome: "refused",
      cursor: "17",
    });
  });
});
