import { describe, expect, it } from "vitest";
import {
  Composition,
  evdevCode,
  Keyboard,
  type KeyEvent,
  keysymOf,
  MODIFIER,
} from "../src/index.ts";

const key = (key: string, code: string, more: Partial<KeyEvent> = {}): KeyEvent => ({
  key,
  code,
  location: 0,
  keyCode: 0,
  isComposing: false,
  timeStamp: 0,
  ctrlKey: false,
  shiftKey: false,
  altKey: false,
  metaKey: false,
  capsLock: false,
  numLock: false,
  altGraph: false,
  ...more,
});
const sent = (outcome: ReturnType<Keyboard["handleDown"]>) =>
  outcome.do === "send"
    ? outcome.keys.map(k => `${k.down ? "+" : "-"}${k.keysym.toString(16)}/${k.code}`)
    : outcome.do;
const other = () => new Keyboard({ mac: false });
const mac = () => new Keyboard({ mac: true });

describe("keysyms", () => {
  it.each([
    ["a", 0, 0x61],
    ["A", 0, 0x41],
    ["é", 0, 0xe9],
    ["€", 0, 0x010020ac],
    ["ж", 0, 0x01000436],
    ["🦀", 0, 0x0101f980],
    [" ", 0, 0x20],
    ["Enter", 0, 0xff0d],
    ["Enter", 3, 0xff8d],
    ["5", 3, 0xffb5],
    ["5", 0, 0x35],
    ["ArrowLeft", 3, 0xff96],
    ["Shift", 1, 0xffe1],
    ["Shift", 2, 0xffe2],
    ["Control", 0, 0xffe3],
    ["AltGraph", 2, 0xfe03],
    ["F24", 0, 0xffd5],
  ])("%s at %i", (name, location, keysym) => {
    expect(keysymOf(name, location)).toBe(keysym);
  });

  it.each(["Dead", "Process", "Unidentified", "", "constructor", "toString"])("%s has none", name =>
    expect(keysymOf(name, 0)).toBeNull(),
  );

  it("places are evdev's numbers", () => {
    expect(evdevCode("KeyA")).toBe(30);
    expect(evdevCode("NumpadEnter")).toBe(96);
    expect(evdevCode("IntlBackslash")).toBe(86);
    expect(evdevCode("")).toBe(0);
    expect(evdevCode("constructor")).toBe(0);
  });
});

describe("keyboard", () => {
  it("a key goes down, repeats and comes up", () => {
    const keyboard = other();
    expect(sent(keyboard.handleDown(key("a", "KeyA")))).toEqual(["+61/30"]);
    expect(sent(keyboard.handleDown(key("a", "KeyA")))).toEqual(["+61/30"]);
    expect(sent(keyboard.handleUp(key("a", "KeyA")))).toEqual(["-61/30"]);
    expect(keyboard.holdsAny).toBe(false);
  });

  it("what goes down as A comes up as A, though Shift was let go before", () => {
    const keyboard = other();
    keyboard.handleDown(key("A", "KeyA", { shiftKey: true }));
    expect(sent(keyboard.handleUp(key("a", "KeyA")))).toEqual(["-41/30"]);
  });

  it("a key that never went down here does not come up", () => {
    expect(sent(other().handleUp(key("Tab", "Tab")))).toBe("pass");
  });

  it("dead keys and an input method are left to the browser", () => {
    const keyboard = other();
    expect(sent(keyboard.handleDown(key("Dead", "Quote")))).toBe("pass");
    expect(sent(keyboard.handleDown(key("a", "KeyA", { isComposing: true })))).toBe("pass");
    expect(sent(keyboard.handleDown(key("Unidentified", "", { keyCode: 229 })))).toBe("pass");
  });

  it("paste is left to the browser, whose event brings the text", () => {
    expect(sent(other().handleDown(key("v", "KeyV", { ctrlKey: true })))).toBe("paste");
    expect(sent(other().handleDown(key("V", "KeyV", { ctrlKey: true, shiftKey: true })))).toBe(
      "paste",
    );
    expect(sent(mac().handleDown(key("v", "KeyV", { metaKey: true })))).toBe("paste");
    expect(sent(mac().handleDown(key("v", "KeyV", { ctrlKey: true })))).toEqual(["+76/47"]);
    expect(sent(other().handleDown(key("Insert", "Insert", { shiftKey: true })))).toBe("paste");
  });

  it("AltGr on Windows takes back the Control it never was", () => {
    const keyboard = other();
    keyboard.handleDown(
      key("Control", "ControlLeft", { location: 1, timeStamp: 100, ctrlKey: true }),
    );
    const outcome = keyboard.handleDown(
      key("AltGraph", "AltRight", {
        location: 2,
        timeStamp: 101,
        ctrlKey: true,
        altKey: true,
        altGraph: true,
      }),
    );
    expect(sent(outcome)).toEqual(["-ffe3/29", "+fe03/100"]);
    const euro = keyboard.handleDown(
      key("€", "KeyE", { ctrlKey: true, altKey: true, altGraph: true, timeStamp: 300 }),
    );
    expect(euro.do === "send" && euro.keys[0]?.modifiers).toBe(0);
  });

  it("a Control that was held for long is meant, also with AltGr", () => {
    const keyboard = other();
    keyboard.handleDown(key("Control", "ControlLeft", { location: 1, timeStamp: 0 }));
    expect(sent(keyboard.handleDown(key("AltGraph", "AltRight", { timeStamp: 900 })))).toEqual([
      "+fe03/100",
    ]);
  });

  it("Cmd is Control on the display, and takes its keys up with it", () => {
    const keyboard = mac();
    expect(
      sent(keyboard.handleDown(key("Meta", "MetaLeft", { location: 1, metaKey: true }))),
    ).toEqual(["+ffe3/125"]);
    const c = keyboard.handleDown(key("c", "KeyC", { metaKey: true }));
    expect(c.do === "send" && c.keys[0]?.modifiers).toBe(MODIFIER.control);
    expect(sent(keyboard.handleUp(key("Meta", "MetaLeft", { location: 1 })))).toEqual([
      "-ffe3/125",
      "-63/46",
    ]);
    expect(keyboard.holdsAny).toBe(false);
  });

  it("all modifiers are told", () => {
    const outcome = other().handleDown(
      key("x", "KeyX", {
        ctrlKey: true,
        shiftKey: true,
        altKey: true,
        metaKey: true,
        capsLock: true,
        numLock: true,
      }),
    );
    expect(outcome.do === "send" && outcome.keys[0]?.modifiers).toBe(63);
  });
});

describe("composition", () => {
  it("on a desktop only the finished text is sent", () => {
    const composition = new Composition({ live: false });
    composition.handleStart();
    expect(composition.handleUpdate("に")).toBeNull();
    expect(composition.handleUpdate("にほ")).toBeNull();
    expect(composition.handleEnd("日本")).toEqual({ backspaces: 0, text: "日本" });
  });

  it("on a phone each change is sent as steps back and new letters", () => {
    const composition = new Composition({ live: true });
    composition.handleStart();
    expect(composition.handleUpdate("h")).toEqual({ backspaces: 0, text: "h" });
    expect(composition.handleUpdate("helo")).toEqual({ backspaces: 0, text: "elo" });
    expect(composition.handleEnd("hello")).toEqual({ backspaces: 1, text: "lo" });
    composition.handleStart();
    expect(composition.handleEnd("")).toBeNull();
  });
});
