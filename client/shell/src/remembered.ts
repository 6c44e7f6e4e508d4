/** Small things that this browser remembers of how somebody likes it. None is a secret. */

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`tandem.${name}`);
  } catch {
    return null;
  }
}

/** `null` forgets it. A browser that remembers nothing is fine too. */
export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`tandem.${name}`);
    else localStorage.setItem(`tandem.${name}`, value);
  } catch {
    // Not allowed here.
  }
}
