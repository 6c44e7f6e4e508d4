/** The languages, and which one a page gets. */
import { firstKnown } from "../language.ts";
import { de } from "./de.ts";
import { en } from "./en.ts";
import type { Texts } from "./texts.ts";

export type { Texts };
export { de, en };

export const LANGUAGES: Readonly<Record<string, Texts>> = { en, de };

/** The first of these tags that there are texts for, such as `de-AT`; English without one. */
export const textsFor = (tags: readonly (string | null | undefined)[]): Texts =>
  firstKnown(LANGUAGES, tags, en);
