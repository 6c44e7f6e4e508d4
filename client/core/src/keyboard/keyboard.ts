/**
 * A person's keyboard, as the browser tells it, turned into keys that go down
 * and up on the display. It remembers what it holds, so that every key that
 * goes down comes up: also one whose meaning changed in between (Shift), one
 * that macOS never reports as released (Cmd), and all of them on blur.
 */
import type { InputMessage } from "../codec.ts";
import { evdevCode } from "./codes.ts";
import { keysymOf } from "./keysyms.ts";

/** The part of a `KeyboardEvent` that matters here. */
export interface KeyEvent {
  key: string;
  code: string;
  location: number;
  keyCode: number;
  isComposing: boolean;
  timeStamp: number;
  ctrlKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  capsLock: boolean;
  numLock: boolean;
  altGraph: boolean;
}

export type KeyMessage = Extract<InputMessage, { kind: "key" }>;

export type KeyOutcome =
  /** Send these, and keep the browser from acting on the key. */
  | { do: "send"; keys: Omit<KeyMessage, "stamp">[] }
  /** Let the browser go on: its text comes by another event, or there is none. */
  | { do: "pass" }
  /** Let the browser paste, then send what it pasted and after it these keys. */
  | { do: "paste"; keys: Omit<KeyMessage, "stamp">[] };

export const MODIFIER = {
  shift: 1,
  control: 2,
  alt: 4,
  meta: 8,
  capsLock: 16,
  numLock: 32,
} as const;

type Held = { keysym: number; code: number };

const PASS: KeyOutcome = { do: "pass" };
/** Windows reports AltGr as a left Control and an AltGr at the same moment. */
const ALTGR_WITHIN_MS = 50;

export class Keyboard {
  /** On a Mac, Cmd does on the display what Control does there. */
  readonly #mac: boolean;
  readonly #held = new Map<string, Held>();
  #controlLeftAt = Number.NEGATIVE_INFINITY;

  constructor(options: { mac: boolean }) {
    this.#mac = options.mac;
  }

  get holdsAny(): boolean {
    return this.#held.size > 0;
  }

  handleDown(event: KeyEvent): KeyOutcome {
    // 229 is how a browser says that an input method has the key.
    if (event.isComposing || event.keyCode === 229) return PASS;
    const keysym = this.#keysym(event);
    if (keysym === null) return PASS;
    if (this.#isPaste(event)) {
      const key = { kind: "key", keysym, code: evdevCode(event.code) } as const;
      const modifiers = this.#modifiers(event);
      return {
        do: "paste",
        keys: [
          { ...key, down: true, modifiers },
          { ...key, down: false, modifiers },
        ],
      };
    }

    const keys: Omit<KeyMessage, "stamp">[] = [];
    if (event.code === "ControlLeft") this.#controlLeftAt = event.timeStamp;
    if (
      event.key === "AltGraph" &&
      this.#held.has("ControlLeft") &&
      event.timeStamp - this.#controlLeftAt < ALTGR_WITHIN_MS
    ) {
      keys.push(...this.#release("ControlLeft", this.#modifiers(event)));
    }
    const identity = identityOf(event);
    const before = this.#held.get(identity);
    // The same place with another meaning: the old one goes up first.
    if (before && before.keysym !== keysym) {
      keys.push(...this.#release(identity, this.#modifiers(event)));
    }
    const held = { keysym, code: evdevCode(event.code) };
    this.#held.set(identity, held);
    keys.push({ kind: "key", ...held, down: true, modifiers: this.#modifiers(event) });
    return { do: "send", keys };
  }

  handleUp(event: KeyEvent): KeyOutcome {
    const modifiers = this.#modifiers(event);
    const keys = this.#release(identityOf(event), modifiers);
    // macOS reports no release of a key that went down while Cmd was held.
    if (this.#mac && event.key === "Meta") {
      for (const identity of [...this.#held.keys()]) {
        if (!isModifierCode(identity)) keys.push(...this.#release(identity, modifiers));
      }
    }
    return keys.length > 0 ? { do: "send", keys } : PASS;
  }

  /** Forgets all: the caller sends ReleaseAll. */
  handleBlur(): void {
    this.#held.clear();
  }

  #keysym(event: KeyEvent): number | null {
    if (this.#mac && event.key === "Meta") {
      return keysymOf("Control", event.location);
    }
    return keysymOf(event.key, event.location);
  }

  /** The browser's paste event brings the text of this machine's clipboard. */
  #isPaste(event: KeyEvent): boolean {
    const accelerator = this.#mac ? event.metaKey : event.ctrlKey;
    if (accelerator && !event.altKey && event.key.toLowerCase() === "v") return true;
    return event.key === "Insert" && event.shiftKey && !event.ctrlKey && event.location === 0;
  }

  #modifiers(event: KeyEvent): number {
    // While AltGr makes a character, Windows claims that Control and Alt are held.
    const control = this.#mac ? event.ctrlKey || event.metaKey : event.ctrlKey;
    const meta = this.#mac ? false : event.metaKey;
    return (
      (event.shiftKey ? MODIFIER.shift : 0) |
      (control && !event.altGraph ? MODIFIER.control : 0) |
      (event.altKey && !event.altGraph ? MODIFIER.alt : 0) |
      (meta ? MODIFIER.meta : 0) |
      (event.capsLock ? MODIFIER.capsLock : 0) |
      (event.numLock ? MODIFIER.numLock : 0)
    );
  }

  #release(identity: string, modifiers: number): Omit<KeyMessage, "stamp">[] {
    const held = this.#held.get(identity);
    if (!held) return [];
    this.#held.delete(identity);
    return [{ kind: "key", ...held, down: false, modifiers }];
  }
}

/** By place where there is one; a phone's keys have none and go by their meaning. */
const identityOf = (event: KeyEvent): string => event.code || `key:${event.key}`;

const isModifierCode = (identity: string): boolean =>
  /^(Shift|Control|Alt|Meta|OS)(Left|Right)$/.test(identity);
