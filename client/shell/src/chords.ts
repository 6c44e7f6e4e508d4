/**
 * Keys that work wherever the focus is, also while the picture has the
 * keyboard: they are taken before the picture's own listener sees them.
 */
import { onCleanup } from "solid-js";

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

export type Chord = "floor" | "card" | "palette" | "panel";

/** How each is written for people, and for `aria-keyshortcuts`. */
export const CHORDS: Readonly<Record<Chord, { shown: string; aria: string }>> = {
  floor: isMac ? { shown: "⌘ .", aria: "Meta+." } : { shown: "Ctrl + .", aria: "Control+." },
  card: isMac
    ? { shown: "⌃ ⌥ ⏎", aria: "Control+Alt+Enter" }
    : { shown: "Ctrl + Alt + Enter", aria: "Control+Alt+Enter" },
  palette: isMac ? { shown: "⌘ K", aria: "Meta+K" } : { shown: "Ctrl + K", aria: "Control+K" },
  panel: isMac ? { shown: "⌘ J", aria: "Meta+J" } : { shown: "Ctrl + J", aria: "Control+J" },
};
export const LEAVE_SHOWN = isMac ? "⌃ ⌥ ." : "Ctrl + Alt + .";

function chordOf(event: KeyboardEvent): Chord | null {
  const { ctrlKey, altKey, shiftKey, metaKey } = event;
  if (event.isComposing || shiftKey) return null;
  const main = isMac ? metaKey && !ctrlKey : ctrlKey && !metaKey;
  // By its place where a layout puts the full stop elsewhere, but never another key's character.
  const isStop = event.key === "." || (event.code === "Period" && event.key.length !== 1);
  if (main && !altKey && isStop) return "floor";
  if (main && !altKey && isLetter(event, "k")) return "palette";
  if (main && !altKey && isLetter(event, "j")) return "panel";
  if (ctrlKey && altKey && !metaKey && event.key === "Enter") return "card";
  return null;
}

/** By its place where a layout has no such letter. */
const isLetter = (event: KeyboardEvent, letter: string): boolean =>
  event.key.toLowerCase() === letter ||
  (event.code === `Key${letter.toUpperCase()}` && !/^[\x20-\x7e]$/.test(event.key));

export function onChord(take: (chord: Chord) => void): void {
  const down = (event: KeyboardEvent) => {
    const chord = chordOf(event);
    if (!chord) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // Held down it would take over and hand back in turns.
    if (!event.repeat) take(chord);
  };
  window.addEventListener("keydown", down, { capture: true });
  onCleanup(() => window.removeEventListener("keydown", down, { capture: true }));
}
