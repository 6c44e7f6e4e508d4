/** The languages, and which one a page gets. */
import { de } from "./de.ts";
import { en } from "./en.ts";
import type { Texts } from "./texts.ts";

export type { Texts };
export { de, en };

export const LANGUAGES: Readonly<Record<string, Texts>> = { en, de };

/** The first of these tags that there are texts for, such as `de-AT`; English without one. */
export function textsFor(tags: readonly (string | null | undefined)[]): Texts {
  for (const tag of tags) {
    const found = tag && LANGUAGES[tag.toLowerCase().split("-")[0] ?? ""];
    if (found) return found;
  }
  return en;
}
