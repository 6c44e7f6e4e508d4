/** What attaches detaches: everything that `stop` must undo is added here. */
export class Listeners {
  #undo: (() => void)[] = [];

  on<K extends keyof GlobalEventHandlersEventMap>(
    target: EventTarget,
    type: K | (string & {}),
    handler: (event: GlobalEventHandlersEventMap[K]) => void,
    options?: AddEventListenerOptions,
  ): void {
    const listener = handler as EventListener;
    target.addEventListener(type, listener, options);
    this.#undo.push(() => target.removeEventListener(type, listener, options));
  }

  add(undo: () => void): void {
    this.#undo.push(undo);
  }

  stop(): void {
    const all = this.#undo.reverse();
    this.#undo = [];
    for (const undo of all) undo();
  }
}

/** One timer that is set anew each time; infinity clears it. */
export class Alarm {
  readonly #ring: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** `at` is on the clock of `performance.now()`. */
  set(at: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!Number.isFinite(at)) return;
    const pause = Math.min(Math.max(0, at - performance.now()), 0x7fffffff);
    this.#timer = setTimeout(this.#ring, Math.ceil(pause));
  }
}
