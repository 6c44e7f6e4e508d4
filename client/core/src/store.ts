/**
 * One value that changes, and those who want to know. A reader is told the
 * value at once and on each change; what `subscribe` returns ends that.
 */
export interface Readable<T> {
  get(): T;
  subscribe(reader: (value: T) => void): () => void;
}

export class Store<T> implements Readable<T> {
  #value: T;
  readonly #readers = new Set<(value: T) => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    // A copy: a reader may leave while it is told.
    for (const reader of [...this.#readers]) reader(value);
  }

  subscribe(reader: (value: T) => void): () => void {
    this.#readers.add(reader);
    reader(this.#value);
    return () => {
      this.#readers.delete(reader);
    };
  }
}
