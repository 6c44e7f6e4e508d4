/**
 * What a key means (`KeyboardEvent.key` with its location) as an X keysym.
 * Printable characters follow X's own rule; named keys are looked up.
 */

/** `KeyboardEvent.location`. */
export const LEFT = 1;
export const RIGHT = 2;
export const NUMPAD = 3;

const NAMED: Readonly<Record<string, number>> = {
  Backspace: 0xff08,
  Tab: 0xff09,
  Clear: 0xff0b,
  Enter: 0xff0d,
  Pause: 0xff13,
  ScrollLock: 0xff14,
  Escape: 0xff1b,
  Delete: 0xffff,
  Compose: 0xff20,
  Convert: 0xff23,
  NonConvert: 0xff22,
  KanjiMode: 0xff21,
  Romaji: 0xff24,
  Hiragana: 0xff25,
  Katakana: 0xff26,
  HiraganaKatakana: 0xff27,
  Zenkaku: 0xff28,
  Hankaku: 0xff29,
  ZenkakuHankaku: 0xff2a,
  KanaMode: 0xff2e,
  Eisu: 0xff2f,
  Alphanumeric: 0xff30,
  HangulMode: 0xff31,
  HanjaMode: 0xff34,
  CodeInput: 0xff37,
  SingleCandidate: 0xff3c,
  AllCandidates: 0xff3d,
  PreviousCandidate: 0xff3e,
  ModeChange: 0xff7e,
  Home: 0xff50,
  ArrowLeft: 0xff51,
  ArrowUp: 0xff52,
  ArrowRight: 0xff53,
  ArrowDown: 0xff54,
  PageUp: 0xff55,
  PageDown: 0xff56,
  End: 0xff57,
  Select: 0xff60,
  PrintScreen: 0xff61,
  Execute: 0xff62,
  Insert: 0xff63,
  Undo: 0xff65,
  Redo: 0xff66,
  ContextMenu: 0xff67,
  Find: 0xff68,
  Cancel: 0xff69,
  Help: 0xff6a,
  NumLock: 0xff7f,
  CapsLock: 0xffe5,
  AltGraph: 0xfe03,
  SymbolLock: 0xffe6,
  GroupNext: 0xfe08,
  GroupPrevious: 0xfe0a,
  GroupFirst: 0xfe0c,
  GroupLast: 0xfe0e,
  Super: 0xffeb,
  Hyper: 0xffed,
  F1: 0xffbe,
  F2: 0xffbf,
  F3: 0xffc0,
  F4: 0xffc1,
  F5: 0xffc2,
  F6: 0xffc3,
  F7: 0xffc4,
  F8: 0xffc5,
  F9: 0xffc6,
  F10: 0xffc7,
  F11: 0xffc8,
  F12: 0xffc9,
  F13: 0xffca,
  F14: 0xffcb,
  F15: 0xffcc,
  F16: 0xffcd,
  F17: 0xffce,
  F18: 0xffcf,
  F19: 0xffd0,
  F20: 0xffd1,
  F21: 0xffd2,
  F22: 0xffd3,
  F23: 0xffd4,
  F24: 0xffd5,
  AudioVolumeDown: 0x1008ff11,
  AudioVolumeMute: 0x1008ff12,
  AudioVolumeUp: 0x1008ff13,
  MediaPlayPause: 0x1008ff14,
  MediaPlay: 0x1008ff14,
  MediaStop: 0x1008ff15,
  MediaTrackPrevious: 0x1008ff16,
  MediaTrackNext: 0x1008ff17,
  MediaPause: 0x1008ff31,
  LaunchMail: 0x1008ff19,
  LaunchMyComputer: 0x1008ff33,
  LaunchCalculator: 0x1008ff1d,
  LaunchApplication1: 0x1008ff40,
  LaunchApplication2: 0x1008ff41,
  BrowserHome: 0x1008ff18,
  BrowserSearch: 0x1008ff1b,
  BrowserBack: 0x1008ff26,
  BrowserForward: 0x1008ff27,
  BrowserStop: 0x1008ff28,
  BrowserRefresh: 0x1008ff29,
  BrowserFavorites: 0x1008ff30,
  Copy: 0x1008ff57,
  Cut: 0x1008ff58,
  Paste: 0x1008ff6d,
  Eject: 0x1008ff2c,
  ZoomIn: 0x1008ff8b,
  ZoomOut: 0x1008ff8c,
  Save: 0x1008ff77,
  Open: 0x1008ff6b,
  Close: 0x1008ff56,
  New: 0x1008ff68,
  MailSend: 0x1008ff7b,
};

/** Keys that exist twice: left or alone, right. */
const SIDED: Readonly<Record<string, readonly [number, number]>> = {
  Shift: [0xffe1, 0xffe2],
  Control: [0xffe3, 0xffe4],
  Alt: [0xffe9, 0xffea],
  Meta: [0xffeb, 0xffec],
};

/** The keypad has keysyms of its own, so that pages see `location` 3 too. */
const KEYPAD: Readonly<Record<string, number>> = {
  "0": 0xffb0,
  "1": 0xffb1,
  "2": 0xffb2,
  "3": 0xffb3,
  "4": 0xffb4,
  "5": 0xffb5,
  "6": 0xffb6,
  "7": 0xffb7,
  "8": 0xffb8,
  "9": 0xffb9,
  "*": 0xffaa,
  "+": 0xffab,
  ",": 0xffac,
  "-": 0xffad,
  ".": 0xffae,
  "/": 0xffaf,
  "=": 0xffbd,
  Multiply: 0xffaa,
  Add: 0xffab,
  Separator: 0xffac,
  Subtract: 0xffad,
  Decimal: 0xffae,
  Divide: 0xffaf,
  Enter: 0xff8d,
  Home: 0xff95,
  ArrowLeft: 0xff96,
  ArrowUp: 0xff97,
  ArrowRight: 0xff98,
  ArrowDown: 0xff99,
  PageUp: 0xff9a,
  PageDown: 0xff9b,
  End: 0xff9c,
  Clear: 0xff9d,
  Insert: 0xff9e,
  Delete: 0xff9f,
};

export const KEYSYM = {
  backspace: 0xff08,
  delete: 0xffff,
  enter: 0xff0d,
  controlLeft: 0xffe3,
  insert: 0xff63,
  v: 0x76,
} as const;

/** The keysym of a character: Latin 1 stands for itself, all else is Unicode's number. */
export function keysymOfCharacter(codepoint: number): number {
  const latin1 =
    (codepoint >= 0x20 && codepoint <= 0x7e) || (codepoint >= 0xa0 && codepoint <= 0xff);
  return latin1 ? codepoint : 0x01000000 + codepoint;
}

/**
 * `null` when the key has no meaning by itself: dead keys, an input method at
 * work, keys that the browser cannot name. Their text comes composed.
 */
export function keysymOf(key: string, location: number): number | null {
  if (location === NUMPAD && Object.hasOwn(KEYPAD, key)) return KEYPAD[key] ?? null;
  const sided = Object.hasOwn(SIDED, key) ? SIDED[key] : undefined;
  if (sided) return location === RIGHT ? sided[1] : sided[0];
  if (Object.hasOwn(NAMED, key)) return NAMED[key] ?? null;
  const characters = [...key];
  if (characters.length !== 1) return null;
  const codepoint = characters[0]?.codePointAt(0);
  if (codepoint === undefined || codepoint < 0x20) return null;
  return keysymOfCharacter(codepoint);
}
