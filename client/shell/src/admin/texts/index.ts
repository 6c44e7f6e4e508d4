/** The language of this page: the one that its address asks for, else the browser's first that is known. */
import { firstKnown } from "../../../../core/src/language.ts";
import { languages } from "../../languages.ts";
import { de } from "./de.ts";
import { en } from "./en.ts";
import type { Texts } from "./texts.ts";

export { SECTIONS, type Section, type Texts } from "./texts.ts";

export const t: Texts = firstKnown({ en, de }, languages(), en);
