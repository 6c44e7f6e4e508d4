import { describe, expect, it } from "vitest";
import * as doctor from "../src/doctor-texts/index.ts";
import {
  Facts,
  Inflow,
  LANGUAGES,
  type RoomView,
  readFromFrame,
  readToFrame,
  textsFor,
} from "../src/index.ts";

const call = (method: unknown, args?: unknown, id: unknown = 1) =>
  readToFrame({ tandem: 1, type: "call", id, method, args });

describe("the frame's protocol", () => {
  it("takes each method with its arguments, and nothing that was not looked at", () => {
    for (const [method, args] of [
      ["takeover", {}],
      ["handBack", { note: "done" }],
      ["navigate", { url: "https://shop.example/a" }],
      ["setMode", { mode: "hands-off" }],
      ["setPrivate", { on: true }],
      ["screenshot", undefined],
      ["approve", { id: "a1", answer: "deny", message: "no" }],
      ["resize", { width: 800, height: 600 }],
      ["resize", {}],
      ["setToken", { token: "tdm_abc-._~" }],
      ["setOptions", { options: { theme: "dark", bar: null } }],
    ] as const) {
      const read = call(method, args);
      expect(read, method).toMatchObject({ is: "message", message: { method, args: args ?? {} } });
    }
  });

  it("answers what is meant for it and wrong, and does not hear what is not", () => {
    for (const [method, args] of [
      ["navigate", { url: "javascript:alert(1)" }],
      ["navigate", { url: `https://${"a".repeat(3000)}` }],
      ["navigate", { url: "https://a", more: 1 }],
      ["navigate", {}],
      ["setMode", { mode: "chaos" }],
      ["setPrivate", { on: "yes" }],
      ["setPrivate", {}],
      ["approve", { id: "a1", answer: "yes" }],
      ["resize", { width: 0, height: 1e9 }],
      ["resize", { width: 1.5 }],
      ["handBack", { note: "x".repeat(501) }],
      ["setToken", { token: "a token" }],
      ["setOptions", { options: [] }],
      ["setOptions", { options: { a: 1 } }],
      ["takeover", "now"],
      ["constructor", {}],
      ["__proto__", {}],
      [{}, {}],
    ] as const) {
      expect(call(method, args), `${String(method)} ${JSON.stringify(args)}`).toMatchObject({
        is: "wrong",
        id: 1,
      });
    }
    expect(call("takeover", {}, -1)).toMatchObject({ is: "wrong", id: null });
    expect(call("takeover", {}, "1")).toMatchObject({ is: "wrong", id: null });
    expect(readToFrame({ tandem: 2, id: 3 })).toMatchObject({
      is: "wrong",
      id: 3,
      code: "version",
    });
    expect(readToFrame({ tandem: 1, type: "event" })).toMatchObject({ is: "wrong" });
    for (const data of [
      null,
      undefined,
      1,
      "x",
      [],
      {},
      { type: "call" },
      { source: "devtools" },
    ]) {
      expect(readToFrame(data)).toEqual({ is: "foreign" });
    }
    // Words of our own reader are not taken from others.
    const posed = { tandem: 1, is: "wrong", id: 9, code: "x", reason: "y" };
    expect(readToFrame(posed)).toMatchObject({ is: "wrong", id: null, code: "malformed" });
  });

  it("survives ten thousand messages of rubbish and cycles", () => {
    const cycle: Record<string, unknown> = { tandem: 1, type: "call", id: 1, method: "setOptions" };
    cycle.args = { options: cycle };
    const pieces = [null, 0, -1, 1e308, "", "a".repeat(5000), [], {}, cycle, true, Number.NaN];
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    const pick = () => pieces[random(pieces.length)];
    const methods = ["takeover", "navigate", "resize", "setOptions", "approve", "setToken"];
    for (let i = 0; i < 10_000; i += 1) {
      const message: Record<string, unknown> = { tandem: random(3) === 0 ? pick() : 1 };
      message.type = random(4) === 0 ? pick() : "call";
      message.id = random(2) === 0 ? pick() : i;
      message.method = random(3) === 0 ? pick() : methods[random(methods.length)];
      message.args = random(2) === 0 ? pick() : { url: pick(), width: pick(), options: pick() };
      expect(["message", "wrong", "foreign"]).toContain(readToFrame(message).is);
      expect(["message", "wrong", "foreign"]).toContain(readFromFrame(message).is);
    }
  }, 30_000);

  it("hears so many at once, and then so many a second", () => {
    const inflow = new Inflow(10, 5);
    const heard = (now: number) =>
      Array.from({ length: 20 }, () => inflow.take(now)).filter(Boolean);
    expect(heard(1000)).toHaveLength(10);
    expect(heard(1000)).toHaveLength(0);
    expect(heard(2000)).toHaveLength(5);
    expect(heard(60_000)).toHaveLength(10);
  });

  it("believes only events and results of the known form", () => {
    const from = (message: object) => readFromFrame({ tandem: 1, ...message }).is;
    const state = { name: "live", why: null, message: null };
    expect(from({ type: "hello", version: 1, state })).toBe("message");
    expect(from({ type: "event", event: "floor", detail: {} })).toBe("message");
    expect(from({ type: "event", event: "leave", detail: null })).toBe("message");
    expect(from({ type: "event", event: "state", detail: {} })).toBe("wrong");
    expect(from({ type: "event", event: "click", detail: {} })).toBe("wrong");
    expect(from({ type: "result", id: 1, ok: false, error: "no" })).toBe("wrong");
  });
});

describe("facts", () => {
  const atlas = { id: "a", name: "Atlas", kind: "agent", role: "agent" } as const;
  const empty: RoomView = {
    id: "main",
    size: { width: 1280, height: 720 },
    phase: { state: "live" },
    present: [],
    holder: null,
    private: null,
    floor: { mode: "together", takeover: null, turn: null, requests: [], hand_backs: 0 },
    waiting: [],
    help: [],
    approvals: [],
    page: null,
  };

  it("are told once, and anew after the end of a connection", () => {
    const facts = new Facts();
    const view: RoomView = {
      ...empty,
      present: [atlas],
      page: { title: "Shop", url: "https://shop.example" },
      help: [{ id: 3, agent: atlas, reason: "a captcha", task: "act", helper: null }],
    };
    const said = (next: RoomView) => facts.handleView(next, textsFor(["en"])).map(f => f.event);
    expect(said(view)).toEqual(["floor", "navigated", "agent", "help-requested"]);
    expect(said({ ...view })).toEqual([]);
    expect(facts.handleEvent({ kind: "doing", actor: "a", text: "clicks" })).toMatchObject({
      detail: { status: "doing", text: "clicks" },
    });
    expect(said({ ...view, present: [], help: [] })).toEqual(["agent"]);
    facts.handleEnd();
    expect(said(empty)).toEqual(["floor"]);
  });

  it("tell who is alone with the page, and when nobody is any more", () => {
    const facts = new Facts();
    const ada = { id: "p", name: "Ada", kind: "person", role: "controller" } as const;
    const who = (view: RoomView) =>
      facts.handleView(view, textsFor(["en"])).map(f => f.event === "floor" && f.detail.private);
    expect(who(empty)).toEqual([null]);
    const alone = {
      ...empty,
      private: { by: ada, from: "controller" as const, by_field: false, ending: false },
    };
    expect(who(alone)).toEqual([{ id: "p", name: "Ada", kind: "person" }]);
    expect(who({ ...alone })).toEqual([]);
    expect(who(empty)).toEqual([null]);
  });
});

describe("languages", () => {
  it("are chosen by the first tag that there are texts for", () => {
    expect(textsFor(["fr", null, "de-AT"]).language).toBe("de");
    expect(textsFor(["fr"]).language).toBe("en");
    expect(textsFor([]).language).toBe("en");
  });

  it("leave no sentence empty and none as it is in English by mistake", () => {
    const same: string[] = [];
    const walk = (one: unknown, other: unknown, path: string): void => {
      if (typeof one === "function" || typeof other === "function") {
        expect(typeof one, path).toBe(typeof other);
        return;
      }
      if (typeof one === "object" && one !== null) {
        expect(Object.keys(one).sort(), path).toEqual(Object.keys(other as object).sort());
        for (const [key, value] of Object.entries(one)) {
          walk(value, (other as Record<string, unknown>)[key], `${path}.${key}`);
        }
        return;
      }
      expect(one, path).not.toBe("");
      if (one === other) same.push(path);
    };
    walk(LANGUAGES.en, LANGUAGES.de, "");
    walk(doctor.en, doctor.de, "doctor");
    const may = new Set([".panel.agent", "doctor.checks.user-namespaces"]);
    expect(same.filter(path => !may.has(path))).toEqual([]);
  });
});
