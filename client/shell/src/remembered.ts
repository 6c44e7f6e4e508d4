/** Small things that this browser remembers of how somebody likes it. None is a secret. */

let forgets = false;

/** In somebody else's page nothing is written down: that browser storage is theirs. */
export function rememberNothing(): void {
  forgets = true;
}

/** Where something may be written down; nothing where it may not. */
export const storage = (kind: "localStorage" | "sessionStorage"): Storage | null =>
  forgets ? null : window[kind];

export function recall(name: string): string | null {
  try {
    return storage("localStorage")?.getItem(`tandem.${name}`) ?? null;
  } catch {
    return null;
  }
}

/** `null` forgets it. A browser that remembers nothing is fine too. */
export function remember(name: string, value: string | null): void {
  try {
    if (value === null) storage("localStorage")?.removeItem(`tandem.${name}`);
    else storage("localStorage")?.setItem(`tandem.${name}`, value);
  } catch {
    // Not allowed here.
  }
}
