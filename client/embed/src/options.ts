/**
 * How a room is shown in somebody else's page. The same names as attributes of
 * the element, in the query of a frame's address and in `setOptions`.
 */
import { COLOURS } from "../../element/src/tokens.ts";

/** What each option may be; `null` stands for text that is checked where it is used. */
const VALUES = {
  room: null,
  /** Watch only, whatever the token allows. */
  "view-only": ["", "true", "false"],
  bar: ["shown", "hidden"],
  panel: ["shown", "hidden"],
  theme: ["auto", "light", "dark"],
  /** "room": the room's display takes the size of the element. */
  fit: ["fit", "1:1", "room"],
  /** Opened once, when the room shows no page yet. */
  "start-url": null,
  lang: null,
  /** Whose pointers and faces are shown. */
  people: ["all", "agents", "none"],
  /** "focus": a scroll over the picture is for it once it was pressed; else for the page around. */
  scroll: ["focus", "always"],
  codecs: null,
} as const satisfies Readonly<Record<string, readonly string[] | null>>;

export type OptionName = keyof typeof VALUES;
export const OPTION_NAMES = Object.keys(VALUES) as OptionName[];
export type Options = { readonly [K in OptionName]?: string | null };

const LONGEST = 2048;

/** Why these words are no such options; `null` when they are. */
export function wrongOption(name: string, value: string | null): string | null {
  if (name.startsWith("--tandem-")) {
    if (!COLOURS.includes(name.slice("--tandem-".length))) return `there is no colour ${name}`;
    const fits = value === null || (value.length <= 64 && CSS.supports("color", value));
    return fits ? null : `${name} is a colour of CSS`;
  }
  if (!Object.hasOwn(VALUES, name)) return `there is no option ${name.slice(0, 40)}`;
  const values: readonly string[] | null = VALUES[name as OptionName];
  if (value === null || (values === null && value.length <= LONGEST)) return null;
  return values?.includes(value)
    ? null
    : `${name} is one of ${values?.join(", ") ?? "short texts"}`;
}

/** Sets what fits; says of the rest why not. */
export function applyOptions(
  element: HTMLElement,
  options: Readonly<Record<string, string | null>>,
): string[] {
  const wrong: string[] = [];
  for (const [name, value] of Object.entries(options)) {
    const why = wrongOption(name, value);
    if (why !== null) wrong.push(why);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (value === null || (name === "view-only" && value === "false")) {
      element.removeAttribute(name);
    } else element.setAttribute(name, value);
  }
  return wrong;
}
