/**
 * How somebody looks in a room: a colour and two letters that depend on their
 * id and name alone, so that everybody sees the same. People are cool, agents
 * are warm, and a name always says it too.
 */
import type { ActorKind, Presence } from "./protocol.ts";

export const PERSON_COLOURS = 6;
export const AGENT_COLOURS = 4;

/** The name of a colour token, such as `person-3` or `agent-1`. */
export function colourOf(id: string, kind: ActorKind): string {
  const many = kind === "agent" ? AGENT_COLOURS : PERSON_COLOURS;
  return `${kind}-${(hash(id) % many) + 1}`;
}

/** Somebody's colour as a value of CSS: the one that was chosen for them, or theirs of the table. */
export function paintOf(who: Pick<Presence, "id" | "kind" | "colour">): string {
  // Only what is a colour and nothing else may end up inside the style.
  const chosen = /^#[0-9a-f]{6}$/.exec(who.colour ?? "")?.[0];
  return chosen ?? `var(--_${colourOf(who.id, who.kind)})`;
}

export function initialsOf(name: string): string {
  const words = name.split(/[\s._-]+/).filter(word => /[\p{L}\p{N}]/u.test(word));
  const letter = (word: string | undefined): string => [...(word ?? "")][0] ?? "";
  const first = letter(words[0]);
  const second = words.length > 1 ? letter(words[words.length - 1]) : "";
  return (first + second).toLocaleUpperCase() || "?";
}

/** "You", "Mara", "Mara and Jun", "Mara, Jun and 3 more". */
export function listNames(present: readonly Presence[], you: string | null): string {
  const names = present.map(p => (p.id === you ? "You" : p.name));
  if (names.length <= 1) return names[0] ?? "";
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${names[0]}, ${names[1]} and ${names.length - 2} more`;
}

/** FNV-1a; enough to spread a handful of people over a handful of colours. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193) >>> 0;
  }
  return (h ^ (h >>> 16)) >>> 0;
}
