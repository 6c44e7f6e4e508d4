/**
 * Text that arrives composed. On a desktop only the finished text counts; a
 * phone's keyboard composes every word, so there each change is sent at once,
 * as so many steps back and the new letters.
 */
export type Edit = { backspaces: number; text: string };

/** What turns one text into the other at its end. */
export function editBetween(before: string, after: string): Edit {
  const from = [...before];
  const to = [...after];
  let same = 0;
  while (same < from.length && same < to.length && from[same] === to[same]) same += 1;
  return { backspaces: from.length - same, text: to.slice(same).join("") };
}

export class Composition {
  readonly #live: boolean;
  #shown = "";

  constructor(options: { live: boolean }) {
    this.#live = options.live;
  }

  handleStart(): void {
    this.#shown = "";
  }

  handleUpdate(text: string): Edit | null {
    return this.#live ? this.#edit(text) : null;
  }

  handleEnd(text: string): Edit | null {
    const edit = this.#edit(text);
    this.#shown = "";
    return edit;
  }

  #edit(text: string): Edit | null {
    const edit = editBetween(this.#shown, text);
    this.#shown = text;
    return edit.backspaces > 0 || edit.text ? edit : null;
  }
}
