/**
 * Pointer moves at the rate that is worth sending: the first at once, then at
 * most one each `interval`, and always the last one.
 */
import type { XY } from "./viewport.ts";

export class MoveThrottle {
  readonly #interval: number;
  #last = Number.NEGATIVE_INFINITY;
  #pending: XY | null = null;

  constructor(interval = 8) {
    this.#interval = interval;
  }

  /** The place to send now, or null when it waits for `pollTimeout`. */
  handle(now: number, at: XY): XY | null {
    this.#pending = at;
    return this.handleTick(now);
  }

  handleTick(now: number): XY | null {
    if (!this.#pending || now - this.#last < this.#interval) return null;
    const at = this.#pending;
    this.#pending = null;
    this.#last = now;
    return at;
  }

  /** An act at a place of its own makes an older move pointless. */
  handleAct(): void {
    this.#pending = null;
  }

  pollTimeout(): number {
    return this.#pending ? this.#last + this.#interval : Number.POSITIVE_INFINITY;
  }
}
