/**
 * The keyboard, through a text field that nobody sees: it has the focus, takes
 * what an input method or a phone's keyboard composes, and lets the browser
 * paste. Keys with a meaning of their own never reach it.
 */
import {
  Composition,
  type Edit,
  KEYSYM,
  Keyboard,
  type KeyEvent,
  type KeyMessage,
  MAX_CLIPBOARD,
  splitText,
  utf8Length,
} from "../../core/src/index.ts";
import type { Hands } from "./hands.ts";
import { Listeners } from "./listeners.ts";

type Key = Omit<KeyMessage, "stamp">;

/** So that a phone's backspace has something to take away and tells us. */
const FILLING = "\u00a0\u00a0";

export class KeyboardInput {
  readonly #hands: Hands;
  readonly #listeners = new Listeners();
  readonly #keyboard: Keyboard;
  readonly #composition: Composition;
  readonly #phone: boolean;
  readonly #leave: () => void;
  readonly #lost: () => void;
  #pasteKeys: Key[] | null = null;

  /** `leave`: the person wants out of the picture; `lost`: the focus went elsewhere. */
  constructor(hands: Hands, leave: () => void, lost: () => void) {
    this.#hands = hands;
    this.#leave = leave;
    this.#lost = lost;
    this.#phone = matchMedia("(pointer: coarse)").matches;
    this.#keyboard = new Keyboard({ mac: isMac() });
    this.#composition = new Composition({ live: this.#phone });
  }

  start(): void {
    const { field } = this.#hands;
    const on = this.#listeners;
    // A press on the picture takes the focus; only the button for it brings the keyboard up.
    if (this.#phone) field.inputMode = "none";
    on.on(field, "keydown", event => this.#down(event));
    on.on(field, "keyup", event => this.#up(event));
    on.on(field, "beforeinput", event => this.#input(event));
    on.on(field, "compositionstart", () => this.#composition.handleStart());
    on.on(field, "compositionupdate", event =>
      this.#edit(this.#composition.handleUpdate(event.data)),
    );
    on.on(field, "compositionend", event => {
      this.#edit(this.#composition.handleEnd(event.data));
      this.#refill();
    });
    on.on(field, "input", event => {
      if (!(event as InputEvent).isComposing) this.#refill();
    });
    on.on(field, "paste", event => this.#paste(event));
    on.on(field, "blur", () => this.#lost());
    this.#refill();
  }

  stop(): void {
    this.#listeners.stop();
    this.releaseAll();
  }

  get holdsAny(): boolean {
    return this.#keyboard.holdsAny;
  }

  /** Forgets what is held; the caller tells the server. */
  releaseAll(): void {
    this.#keyboard.handleBlur();
    this.#pasteKeys = null;
  }

  /** Brings a phone's keyboard up or sends it away. */
  setOnScreen(shown: boolean): void {
    const { field } = this.#hands;
    field.inputMode = shown ? "text" : "none";
    field.blur();
    if (shown) field.focus({ preventScroll: true });
  }

  #down(event: KeyboardEvent): void {
    if (event.code === "Period" && event.ctrlKey && event.altKey) {
      event.preventDefault();
      this.#hands.field.blur();
      this.#leave();
      return;
    }
    const outcome = this.#keyboard.handleDown(toKeyEvent(event));
    if (outcome.do === "paste") {
      this.#pasteKeys = outcome.keys;
      return;
    }
    if (outcome.do === "pass") return;
    event.preventDefault();
    this.#send(outcome.keys, event.timeStamp);
  }

  #up(event: KeyboardEvent): void {
    const outcome = this.#keyboard.handleUp(toKeyEvent(event));
    if (outcome.do !== "send") return;
    event.preventDefault();
    this.#send(outcome.keys, event.timeStamp);
  }

  #send(keys: readonly Key[], when: number): void {
    for (const key of keys) {
      this.#hands.send({ ...key, stamp: key.down ? this.#hands.stamp(when) : 0 });
    }
  }

  #tap(keysym: number, code: number, when: number): void {
    const key = { kind: "key", keysym, code, modifiers: 0 } as const;
    this.#send(
      [
        { ...key, down: true },
        { ...key, down: false },
      ],
      when,
    );
  }

  #input(event: InputEvent): void {
    if (event.isComposing || event.inputType === "insertCompositionText") return;
    // The end of a composition says its text again, after `compositionend` told it.
    if (event.inputType === "insertFromComposition") return;
    event.preventDefault();
    switch (event.inputType) {
      case "insertText":
      case "insertReplacementText":
        this.#type(event.data ?? "", event.timeStamp);
        return;
      case "insertLineBreak":
      case "insertParagraph":
        this.#tap(KEYSYM.enter, 28, event.timeStamp);
        return;
      case "deleteContentBackward":
        this.#tap(KEYSYM.backspace, 14, event.timeStamp);
        return;
      case "deleteContentForward":
        this.#tap(KEYSYM.delete, 111, event.timeStamp);
    }
  }

  #edit(edit: Edit | null): void {
    if (!edit) return;
    const now = performance.now();
    for (let i = 0; i < edit.backspaces; i += 1) this.#tap(KEYSYM.backspace, 14, now);
    this.#type(edit.text, now);
  }

  #type(text: string, when: number): void {
    for (const piece of splitText(text)) {
      this.#hands.send({ kind: "text", stamp: this.#hands.stamp(when), text: piece });
    }
  }

  #paste(event: ClipboardEvent): void {
    event.preventDefault();
    const keys = this.#pasteKeys;
    this.#pasteKeys = null;
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (utf8Length(text) > MAX_CLIPBOARD) {
      this.#hands.error(this.#hands.words().paste);
      return;
    }
    if (text) this.#hands.send({ kind: "clipboard", text });
    if (keys) {
      this.#send(keys, event.timeStamp);
    } else if (text) {
      // From a menu: nobody holds Control, so it is pressed here.
      const control = { kind: "key", keysym: KEYSYM.controlLeft, code: 29 } as const;
      const v = { kind: "key", keysym: KEYSYM.v, code: 47 } as const;
      this.#send(
        [
          { ...control, down: true, modifiers: 0 },
          { ...v, down: true, modifiers: 2 },
          { ...v, down: false, modifiers: 2 },
          { ...control, down: false, modifiers: 2 },
        ],
        event.timeStamp,
      );
    }
  }

  #refill(): void {
    const { field } = this.#hands;
    field.value = this.#phone ? FILLING : "";
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

function toKeyEvent(event: KeyboardEvent): KeyEvent {
  return {
    key: event.key,
    code: event.code,
    location: event.location,
    // The one sign of an input method in browsers that do not set `isComposing` in time.
    keyCode: event.keyCode,
    isComposing: event.isComposing,
    timeStamp: event.timeStamp,
    ctrlKey: event.ctrlKey,
    shiftKey: event.shiftKey,
    altKey: event.altKey,
    metaKey: event.metaKey,
    capsLock: event.getModifierState("CapsLock"),
    numLock: event.getModifierState("NumLock"),
    altGraph: event.getModifierState("AltGraph"),
  };
}

const isMac = (): boolean => /Mac|iPhone|iPad/.test(navigator.platform);
