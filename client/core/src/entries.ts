/**
 * Lists that people write into one field, and which of two such lists it is
 * that the server refuses. What an entry may be the server alone knows.
 */
import type { EgressLists } from "./admin-model.ts";

/** One entry a line, or with commas or spaces between; each once. */
export function entriesOf(text: string): string[] {
  return [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
}

/** As many as the server takes in one list. */
const MOST_ENTRIES = 1000;

/** The server names the entry that it cannot read, in quotation marks; the first list is read first. */
export function refusedList(message: string, lists: EgressLists): "allow" | "deny" | null {
  const names = (list: readonly string[]) => list.some(entry => message.includes(`'${entry}'`));
  const isLong = (list: readonly string[]) => list.length > MOST_ENTRIES;
  for (const fits of [names, isLong]) {
    if (fits(lists.allow)) return "allow";
    if (fits(lists.deny)) return "deny";
  }
  return null;
}

/** The server's reason without where in the request's body it stands, which nobody sees. */
export function withoutPlace(message: string): string {
  return message.replace(/^the body is not right: /i, "").replace(/ at line \d+ column \d+$/, "");
}
