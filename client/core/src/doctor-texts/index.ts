/** The languages of the doctor's page, and which one somebody gets. */
import { firstKnown } from "../language.ts";
import { de } from "./de.ts";
import { en } from "./en.ts";
import type { DoctorTexts } from "./texts.ts";

export { type DoctorTexts, de, en };

export const doctorTexts = (tags: readonly (string | null | undefined)[]): DoctorTexts =>
  firstKnown({ en, de }, tags, en);
