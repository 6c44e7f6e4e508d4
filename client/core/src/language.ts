/** Which language a page speaks, of those that it has texts in. */

/** The first of these tags that is known, such as `de-AT`; else the one given last. */
export function firstKnown<T>(
  known: Readonly<Record<string, T>>,
  tags: readonly (string | null | undefined)[],
  otherwise: T,
): T {
  for (const tag of tags) {
    const language = tag?.toLowerCase().split("-")[0] ?? "";
    const found = Object.hasOwn(known, language) ? known[language] : undefined;
    if (found !== undefined) return found;
  }
  return otherwise;
}
