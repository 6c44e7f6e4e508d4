/** All that can be done by name: each part of the page says what it offers, the palette asks. */
import { onCleanup } from "solid-js";

export interface Command {
  name: string;
  /** Under which heading it stands. */
  group: "Picture" | "Agent" | "Sessions" | "Server";
  /** How its keys are written, if it has any. */
  keys?: string;
  /** More words by which it is found. */
  also?: string;
  run: () => void;
}

const sources = new Set<() => Command[]>();

/** Offers these as long as the part lives that calls this. */
export function offerCommands(source: () => Command[]): void {
  sources.add(source);
  onCleanup(() => sources.delete(source));
}

export const allCommands = (): Command[] => [...sources].flatMap(source => source());

/** The best first; a command whose words do not hold all of what was written is left out. */
export function findCommands(commands: readonly Command[], written: string): Command[] {
  const wanted = written.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const rank = (command: Command): number => {
    const name = command.name.toLocaleLowerCase();
    const all = `${name} ${command.group} ${command.also ?? ""}`.toLocaleLowerCase();
    if (!wanted.every(word => all.includes(word))) return -1;
    const first = wanted[0] ?? "";
    if (name.startsWith(first)) return 2;
    return name.includes(` ${first}`) ? 1 : 0;
  };
  return commands
    .map(command => ({ command, rank: rank(command) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => b.rank - a.rank)
    .map(({ command }) => command);
}
