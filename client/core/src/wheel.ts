/**
 * What `WheelEvent` says in pixels, lines or pages, in 1/120 of a notch. The
 * part smaller than one unit is kept for the next event, so that a slow
 * trackpad is not rounded away.
 */
export const NOTCH = 120;

/** A notch of a mouse scrolls a page of Chromium by this many pixels. */
const PIXELS_PER_NOTCH = 100;
/** And of Firefox by so many lines. */
const LINES_PER_NOTCH = 3;
const NOTCHES_PER_PAGE = 5;
/** One message cannot ask for more; a wild driver is cut here. */
const MOST = 40 * NOTCH;

export type Deltas = { dx: number; dy: number };

export class Wheel {
  #restX = 0;
  #restY = 0;

  /** `mode` is `WheelEvent.deltaMode`: 0 pixels, 1 lines, 2 pages. Null when nothing is due yet. */
  handle(deltaX: number, deltaY: number, mode: number): Deltas | null {
    const unit =
      mode === 1
        ? NOTCH / LINES_PER_NOTCH
        : mode === 2
          ? NOTCH * NOTCHES_PER_PAGE
          : NOTCH / PIXELS_PER_NOTCH;
    const x = this.#restX + finite(deltaX) * unit;
    const y = this.#restY + finite(deltaY) * unit;
    const dx = whole(x);
    const dy = whole(y);
    this.#restX = x - dx;
    this.#restY = y - dy;
    if (dx === 0 && dy === 0) return null;
    return { dx: limit(dx), dy: limit(dy) };
  }

  handleReset(): void {
    this.#restX = 0;
    this.#restY = 0;
  }
}

/** A sum of tenths that falls a hair short of a whole number is that number. */
const whole = (n: number): number => Math.trunc(n + Math.sign(n) * 1e-6) + 0;
const finite = (n: number): number => (Number.isFinite(n) ? n : 0);
const limit = (n: number): number => Math.max(-MOST, Math.min(MOST, n));
