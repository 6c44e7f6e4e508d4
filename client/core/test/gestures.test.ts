import { describe, expect, it } from "vitest";
import { Gestures, type TouchAct } from "../src/index.ts";

const names = (acts: TouchAct[]) => acts.map(a => ("button" in a ? `${a.do} ${a.button}` : a.do));
const at = (x: number, y: number) => ({ x, y });

describe("gestures", () => {
  it("a tap clicks where the finger came down", () => {
    const g = new Gestures();
    expect(g.handleDown(0, 1, at(5, 5))).toEqual([{ do: "move", at: at(5, 5) }]);
    expect(g.handleUp(80, 1)).toEqual([
      { do: "press", at: at(5, 5), button: 0 },
      { do: "release", at: at(5, 5), button: 0 },
    ]);
  });

  it("a finger that rests makes a right click, once", () => {
    const g = new Gestures();
    g.handleDown(0, 1, at(5, 5));
    expect(g.pollTimeout()).toBe(500);
    expect(names(g.handleTick(500))).toEqual(["press 2", "release 2"]);
    expect(g.handleUp(900, 1)).toEqual([]);
    expect(g.pollTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  it("a dragged finger moves the pointer and presses nothing", () => {
    const g = new Gestures();
    g.handleDown(0, 1, at(0, 0));
    expect(names(g.handleMove(50, 1, at(40, 0)))).toEqual(["move"]);
    expect(g.handleUp(700, 1)).toEqual([]);
  });

  it("a tap and then a drag holds the button", () => {
    const g = new Gestures();
    g.handleDown(0, 1, at(0, 0));
    g.handleUp(60, 1);
    g.handleDown(150, 2, at(3, 3));
    expect(names(g.handleMove(200, 2, at(50, 3)))).toEqual(["press 0", "move"]);
    expect(names(g.handleUp(300, 2))).toEqual(["release 0"]);
  });

  it("two fingers dragged scroll against their way", () => {
    const g = new Gestures();
    g.handleDown(0, 1, at(0, 100));
    g.handleDown(10, 2, at(50, 100));
    g.handleMove(20, 1, at(0, 70));
    g.handleMove(21, 2, at(50, 70));
    const acts = [...g.handleMove(30, 1, at(0, 50)), ...g.handleMove(31, 2, at(50, 50))];
    expect(acts.every(a => a.do === "scroll" && a.dy > 0 && a.dx === 0)).toBe(true);
    expect(acts.length).toBe(2);
    expect(g.handleUp(60, 1)).toEqual([]);
    expect(g.handleUp(61, 2)).toEqual([]);
  });

  it("two fingers that part zoom", () => {
    const g = new Gestures();
    g.handleDown(0, 1, at(100, 100));
    g.handleDown(5, 2, at(140, 100));
    g.handleMove(20, 2, at(180, 100));
    const acts = g.handleMove(30, 2, at(220, 100));
    expect(names(acts)).toEqual(["zoom", "pan"]);
    expect(acts[0]?.do === "zoom" && acts[0].factor).toBeCloseTo(1.5);
  });

  it("fingers taken away leave nothing pressed", () => {
    const g = new Gestures();
    g.handleDown(0, 1, at(0, 0));
    g.handleUp(60, 1);
    g.handleDown(150, 1, at(0, 0));
    g.handleMove(200, 1, at(50, 0));
    expect(names(g.handleCancel())).toEqual(["release 0"]);
    expect(g.handleMove(210, 1, at(60, 0))).toEqual([]);
  });
});
