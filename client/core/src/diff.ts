/** Lines that differ: from two texts, or read out of a patch. Bounded in work for any input. */

export type DiffLine =
  | { is: "same" | "added" | "removed"; text: string; old: number | null; new: number | null }
  /** Where lines are left out, with what the patch says of the place. */
  | { is: "gap"; text: string };

export interface Diff {
  lines: DiffLine[];
  added: number;
  removed: number;
}

/** Around a change so many equal lines are shown. */
const CONTEXT = 3;
/** Above this many cells of the table, all between the first and the last difference has changed. */
const MOST_CELLS = 1_000_000;

const count = (lines: DiffLine[]): Diff => ({
  lines,
  added: lines.filter(line => line.is === "added").length,
  removed: lines.filter(line => line.is === "removed").length,
});

const split = (text: string): string[] =>
  text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);

export function diffTexts(before: string, after: string): Diff {
  const a = split(before);
  const b = split(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  ) {
    tail += 1;
  }
  const lines: DiffLine[] = [];
  const same = (i: number, j: number) =>
    lines.push({ is: "same", text: a[i] ?? "", old: i + 1, new: j + 1 });
  for (let i = 0; i < head; i += 1) same(i, i);
  const aEnd = a.length - tail;
  const bEnd = b.length - tail;
  let [i, j] = [head, head];
  for (const [x, y] of common(a.slice(head, aEnd), b.slice(head, bEnd))) {
    while (i < head + x) lines.push({ is: "removed", text: a[i] ?? "", old: ++i, new: null });
    while (j < head + y) lines.push({ is: "added", text: b[j] ?? "", old: null, new: ++j });
    same(i++, j++);
  }
  while (i < aEnd) lines.push({ is: "removed", text: a[i] ?? "", old: ++i, new: null });
  while (j < bEnd) lines.push({ is: "added", text: b[j] ?? "", old: null, new: ++j });
  for (; i < a.length; i += 1, j += 1) same(i, j);
  return count(fold(lines));
}

/** Pairs of places of a longest common sequence. */
function common(a: readonly string[], b: readonly string[]): [number, number][] {
  if (a.length * b.length > MOST_CELLS) return [];
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => table[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] =
        a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}

function fold(lines: DiffLine[]): DiffLine[] {
  const near = new Set<number>();
  lines.forEach((line, at) => {
    if (line.is === "same") return;
    for (let n = at - CONTEXT; n <= at + CONTEXT; n += 1) near.add(n);
  });
  const shown: DiffLine[] = [];
  lines.forEach((line, at) => {
    if (near.has(at)) shown.push(line);
    else if (shown.length > 0 && shown.at(-1)?.is !== "gap") shown.push({ is: "gap", text: "" });
  });
  if (shown.at(-1)?.is === "gap") shown.pop();
  return shown;
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/;

/** A unified patch of one file; lines that are no part of a hunk are left out. */
export function readPatch(patch: string): Diff {
  const lines: DiffLine[] = [];
  let [old, now] = [0, 0];
  for (const line of split(patch)) {
    const hunk = HUNK.exec(line);
    if (hunk) {
      [old, now] = [Number(hunk[1]), Number(hunk[2])];
      lines.push({ is: "gap", text: hunk[3] ?? "" });
      continue;
    }
    if (old === 0 && now === 0) continue;
    const text = line.slice(1);
    if (line.startsWith("+")) lines.push({ is: "added", text, old: null, new: now++ });
    else if (line.startsWith("-")) lines.push({ is: "removed", text, old: old++, new: null });
    else if (line.startsWith(" ") || line === "") {
      lines.push({ is: "same", text, old: old++, new: now++ });
    }
  }
  if (lines[0]?.is === "gap" && lines[0].text === "") lines.shift();
  return count(lines);
}
