/**
 * The bytes on the two data channels, big-endian, one message each. Encoding
 * clamps what a number's place cannot hold; decoding refuses with a reason.
 */

/** On which channel a message travels: "moves" may lose it, "acts" may not. */
export type Channel = "moves" | "acts";

export type Button = 0 | 1 | 2 | 3 | 4;

export type InputMessage =
  | { kind: "move"; seq: number; stamp: number; x: number; y: number }
  | { kind: "button"; stamp: number; x: number; y: number; button: Button; down: boolean }
  | { kind: "wheel"; stamp: number; x: number; y: number; dx: number; dy: number }
  | {
      kind: "key";
      stamp: number;
      keysym: number;
      code: number;
      down: boolean;
      modifiers: number;
    }
  | { kind: "text"; stamp: number; text: string }
  | { kind: "clipboard"; text: string }
  | { kind: "release-all" };

export type Echo = { stamp: number; rtpTimestamp: number; serverUs: number };

export type Decoded<T> = { ok: true; value: T } | { ok: false; reason: string };

export const MAX_TEXT = 4096;
export const MAX_CLIPBOARD = 65536;

// In every place this runs, though not in the ES library that this folder is compiled with.
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const utf8 = new TextEncoder();

/** How many bytes a text takes on the wire. */
export const utf8Length = (text: string): number => utf8.encode(text).length;

export const channelOf = (message: InputMessage): Channel =>
  message.kind === "move" ? "moves" : "acts";

/** The bytes of a message, or `null` when its text is empty or too long for one. */
export function encode(message: InputMessage): Uint8Array<ArrayBuffer> | null {
  switch (message.kind) {
    case "move":
      return build(13, v => {
        v.setUint8(0, 0x01);
        v.setUint32(1, message.seq);
        v.setUint32(5, message.stamp);
        v.setInt16(9, i16(message.x));
        v.setInt16(11, i16(message.y));
      });
    case "button":
      return build(11, v => {
        v.setUint8(0, 0x10);
        v.setUint32(1, message.stamp);
        v.setInt16(5, i16(message.x));
        v.setInt16(7, i16(message.y));
        v.setUint8(9, message.button);
        v.setUint8(10, message.down ? 1 : 0);
      });
    case "wheel":
      return build(13, v => {
        v.setUint8(0, 0x11);
        v.setUint32(1, message.stamp);
        v.setInt16(5, i16(message.x));
        v.setInt16(7, i16(message.y));
        v.setInt16(9, i16(message.dx));
        v.setInt16(11, i16(message.dy));
      });
    case "key":
      return build(13, v => {
        v.setUint8(0, 0x12);
        v.setUint32(1, message.stamp);
        v.setUint32(5, message.keysym);
        v.setUint16(9, message.code);
        v.setUint8(11, message.down ? 1 : 0);
        v.setUint8(12, message.modifiers);
      });
    case "text": {
      const text = utf8.encode(message.text);
      if (text.length === 0 || text.length > MAX_TEXT) return null;
      return build(5 + text.length, (v, bytes) => {
        v.setUint8(0, 0x13);
        v.setUint32(1, message.stamp);
        bytes.set(text, 5);
      });
    }
    case "clipboard": {
      const text = utf8.encode(message.text);
      if (text.length > MAX_CLIPBOARD) return null;
      return build(1 + text.length, (v, bytes) => {
        v.setUint8(0, 0x14);
        bytes.set(text, 1);
      });
    }
    case "release-all":
      return build(1, v => v.setUint8(0, 0x15));
  }
}

/** The inverse of `encode`: the fake server of the tests reads with it. */
export function decodeInput(bytes: Uint8Array): Decoded<InputMessage> {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = bytes.length > 0 ? v.getUint8(0) : -1;
  switch (kind) {
    case 0x01:
      if (bytes.length !== 13) return wrongLength(bytes);
      return value({
        kind: "move",
        seq: v.getUint32(1),
        stamp: v.getUint32(5),
        x: v.getInt16(9),
        y: v.getInt16(11),
      });
    case 0x10: {
      if (bytes.length !== 11) return wrongLength(bytes);
      const button = v.getUint8(9);
      const down = v.getUint8(10);
      if (button > 4) return refuse(`There is no button ${button}.`);
      if (down > 1) return refuse("A button is up or down.");
      return value({
        kind: "button",
        stamp: v.getUint32(1),
        x: v.getInt16(5),
        y: v.getInt16(7),
        button: button as Button,
        down: down === 1,
      });
    }
    case 0x11:
      if (bytes.length !== 13) return wrongLength(bytes);
      return value({
        kind: "wheel",
        stamp: v.getUint32(1),
        x: v.getInt16(5),
        y: v.getInt16(7),
        dx: v.getInt16(9),
        dy: v.getInt16(11),
      });
    case 0x12: {
      if (bytes.length !== 13) return wrongLength(bytes);
      if (v.getUint8(11) > 1) return refuse("A key is up or down.");
      return value({
        kind: "key",
        stamp: v.getUint32(1),
        keysym: v.getUint32(5),
        code: v.getUint16(9),
        down: v.getUint8(11) === 1,
        modifiers: v.getUint8(12),
      });
    }
    case 0x13: {
      if (bytes.length < 6 || bytes.length > 5 + MAX_TEXT) return wrongLength(bytes);
      const text = decodeText(bytes.subarray(5));
      if (text === null) return refuse("The text is not UTF-8.");
      return value({ kind: "text", stamp: v.getUint32(1), text });
    }
    case 0x14: {
      if (bytes.length > 1 + MAX_CLIPBOARD) return wrongLength(bytes);
      const text = decodeText(bytes.subarray(1));
      return text === null ? refuse("The text is not UTF-8.") : value({ kind: "clipboard", text });
    }
    case 0x15:
      return bytes.length === 1 ? value({ kind: "release-all" }) : wrongLength(bytes);
    case -1:
      return refuse("The message is empty.");
    default:
      return refuse(`0x${kind.toString(16)} is no kind of input.`);
  }
}

/** What the server sends on "moves". */
export function decodeEcho(bytes: Uint8Array): Decoded<Echo> {
  if (bytes.length === 0) return refuse("The message is empty.");
  if (bytes[0] !== 0x81) return refuse(`0x${bytes[0]?.toString(16)} is no kind of reply.`);
  if (bytes.length !== 13) return wrongLength(bytes);
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return value({ stamp: v.getUint32(1), rtpTimestamp: v.getUint32(5), serverUs: v.getUint32(9) });
}

export function encodeEcho(echo: Echo): Uint8Array<ArrayBuffer> {
  return build(13, v => {
    v.setUint8(0, 0x81);
    v.setUint32(1, echo.stamp);
    v.setUint32(5, echo.rtpTimestamp);
    v.setUint32(9, echo.serverUs);
  });
}

/** A long text in pieces that each fit one message, never cut inside a character. */
export function splitText(text: string, limit = MAX_TEXT): string[] {
  const pieces: string[] = [];
  let piece = "";
  let bytes = 0;
  for (const character of text) {
    const length = utf8Length(character);
    if (bytes + length > limit) {
      pieces.push(piece);
      piece = "";
      bytes = 0;
    }
    piece += character;
    bytes += length;
  }
  if (piece) pieces.push(piece);
  return pieces;
}

function build(
  length: number,
  fill: (view: DataView, bytes: Uint8Array) => void,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer), bytes);
  return bytes;
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

const i16 = (n: number): number =>
  Number.isFinite(n) ? Math.max(-32768, Math.min(32767, Math.round(n))) : 0;
const value = <T>(v: T): Decoded<T> => ({ ok: true, value: v });
const refuse = (reason: string): { ok: false; reason: string } => ({ ok: false, reason });
const wrongLength = (bytes: Uint8Array) => refuse(`${bytes.length} bytes is not its length.`);
