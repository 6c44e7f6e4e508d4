import { describe, expect, it } from "vitest";
import {
  channelOf,
  decodeEcho,
  decodeInput,
  encode,
  encodeEcho,
  type InputMessage,
  MAX_CLIPBOARD,
  MAX_TEXT,
  splitText,
  utf8Length,
} from "../src/index.ts";

const messages: InputMessage[] = [
  { kind: "move", seq: 0xffffffff, stamp: 0, x: -3, y: 719 },
  { kind: "button", stamp: 7, x: 10, y: -1, button: 4, down: true },
  { kind: "button", stamp: 0, x: 0, y: 0, button: 0, down: false },
  { kind: "wheel", stamp: 9, x: 1, y: 2, dx: -120, dy: 32767 },
  { kind: "key", stamp: 1, keysym: 0x010020ac, code: 464, down: true, modifiers: 63 },
  { kind: "text", stamp: 2, text: "Grüße 🦀\u0301" },
  { kind: "clipboard", text: "" },
  { kind: "clipboard", text: "\uFEFFa\r\nb" },
  { kind: "release-all" },
];

describe("codec", () => {
  it.each(messages)("a $kind survives the way there and back", message => {
    const bytes = encode(message);
    expect(bytes).not.toBeNull();
    expect(decodeInput(bytes as Uint8Array)).toEqual({ ok: true, value: message });
  });

  it("a move is exactly these bytes", () => {
    const bytes = encode({ kind: "move", seq: 1, stamp: 2, x: 256, y: -2 });
    expect([...(bytes ?? [])]).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0xff, 0xfe]);
  });

  it("a key is exactly these bytes", () => {
    const bytes = encode({
      kind: "key",
      stamp: 5,
      keysym: 0xff0d,
      code: 28,
      down: true,
      modifiers: 3,
    });
    expect([...(bytes ?? [])]).toEqual([0x12, 0, 0, 0, 5, 0, 0, 0xff, 0x0d, 0, 28, 1, 3]);
  });

  it("only moves may be lost", () => {
    expect(messages.map(channelOf)).toEqual([
      "moves",
      ...Array.from({ length: messages.length - 1 }, () => "acts"),
    ]);
  });

  it("coordinates that do not fit are clamped and rubbish becomes 0", () => {
    const bytes = encode({ kind: "move", seq: 0, stamp: 0, x: 1e9, y: Number.NaN });
    expect(decodeInput(bytes as Uint8Array)).toMatchObject({ value: { x: 32767, y: 0 } });
  });

  it("text that is empty or too long is not encoded", () => {
    expect(encode({ kind: "text", stamp: 0, text: "" })).toBeNull();
    expect(encode({ kind: "text", stamp: 0, text: "é".repeat(MAX_TEXT / 2 + 1) })).toBeNull();
    expect(encode({ kind: "text", stamp: 0, text: "é".repeat(MAX_TEXT / 2) })).not.toBeNull();
    expect(encode({ kind: "clipboard", text: "x".repeat(MAX_CLIPBOARD + 1) })).toBeNull();
  });

  it("rubbish is refused with a reason and never throws", () => {
    const rubbish = [
      [],
      [0xff],
      [0x01],
      [0x10, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1],
      [0x10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2],
      [0x13, 0, 0, 0, 0],
      [0x13, 0, 0, 0, 0, 0xc3],
      [0x14, 0xff],
      [0x15, 0],
    ];
    for (const bytes of rubbish) {
      const decoded = decodeInput(Uint8Array.from(bytes));
      expect(decoded.ok).toBe(false);
      if (!decoded.ok) expect(decoded.reason).toMatch(/\.$/);
    }
    let seed = 1;
    for (let i = 0; i < 5000; i += 1) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      const bytes = Uint8Array.from({ length: seed % 20 }, (_, k) => (seed >>> (k % 24)) & 0xff);
      expect(() => decodeInput(bytes)).not.toThrow();
      expect(() => decodeEcho(bytes)).not.toThrow();
    }
  });

  it("an echo survives the way, and half of one is refused", () => {
    const echo = { stamp: 0xfffffffe, rtpTimestamp: 0x80000000, serverUs: 4400 };
    expect(decodeEcho(encodeEcho(echo))).toEqual({ ok: true, value: echo });
    expect(decodeEcho(encodeEcho(echo).subarray(0, 12)).ok).toBe(false);
  });

  it("a long text is split between characters and nothing is lost", () => {
    const text = "a🦀é".repeat(3000);
    const pieces = splitText(text);
    expect(pieces.join("")).toBe(text);
    for (const piece of pieces) expect(utf8Length(piece)).toBeLessThanOrEqual(MAX_TEXT);
  });
});
