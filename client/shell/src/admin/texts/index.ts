/** The language of this page: the one that its address asks for, else the browser's first that is known. */
import { de } from "./de.ts";
import { en } from "./en.ts";
import type { Texts } from "./texts.ts";

export { SECTIONS, type Section, type Texts } from "./texts.ts";

const KNOWN: Readonly<Record<string, Texts>> = { en, de };

export function textsFor(languages: readonly (string | null)[]): Texts {
  for (const language of languages) {
    const found = KNOWN[(language ?? "").slice(0, 2).toLowerCase()];
    if (found) return found;
  }
  return en;
}

export const t = textsFor([
  new URLSearchParams(location.search).get("lang"),
  ...navigator.languages,
]);
