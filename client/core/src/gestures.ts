/**
 * Fingers on the picture, stepped with their times, as what a mouse would do:
 *
 *   tap                    click            two fingers, dragged   scroll
 *   tap, tap               double click     two fingers, pinched   zoom the local view
 *   tap, then drag         drag, held       long press             right click
 *   drag                   move the pointer
 */
import type { XY } from "./viewport.ts";

export type TouchAct =
  | { do: "move"; at: XY }
  | { do: "press"; at: XY; button: 0 | 2 }
  | { do: "release"; at: XY; button: 0 | 2 }
  /** In CSS pixels, positive is right and down as a wheel has it. */
  | { do: "scroll"; at: XY; dx: number; dy: number }
  | { do: "zoom"; at: XY; factor: number }
  | { do: "pan"; dx: number; dy: number };

const SLOP = 10;
const LONG_PRESS_MS = 500;
const SECOND_TAP_MS = 300;
const SECOND_TAP_NEAR = 30;
/** How much the fingers must part, against how far they travel, to mean zoom. */
const PINCH_SLOP = 24;

type Mode =
  | { name: "none" }
  /** One finger is down and has not said what it wants. */
  | { name: "touching"; start: XY; since: number; second: boolean }
  | { name: "moving" }
  | { name: "dragging" }
  | { name: "pair"; distance: number; middle: XY }
  | { name: "scrolling"; middle: XY }
  | { name: "pinching"; distance: number; middle: XY }
  /** The gesture is over; the fingers are only waited for. */
  | { name: "spent" };

export class Gestures {
  readonly #fingers = new Map<number, XY>();
  #mode: Mode = { name: "none" };
  #lastTap: { at: XY; when: number } | null = null;

  handleDown(now: number, id: number, at: XY): TouchAct[] {
    this.#fingers.set(id, at);
    const acts: TouchAct[] = [];
    if (this.#fingers.size === 1) {
      const tap = this.#lastTap;
      const second =
        tap !== null && now - tap.when < SECOND_TAP_MS && apart(tap.at, at) < SECOND_TAP_NEAR;
      this.#mode = { name: "touching", start: at, since: now, second };
      acts.push({ do: "move", at });
    } else if (this.#fingers.size === 2) {
      if (this.#mode.name === "dragging") {
        acts.push({ do: "release", at: this.#firstFinger(), button: 0 });
      }
      this.#mode = { name: "pair", ...this.#pair() };
    } else {
      this.#mode = { name: "spent" };
    }
    return acts;
  }

  handleMove(now: number, id: number, at: XY): TouchAct[] {
    if (!this.#fingers.has(id)) return [];
    this.#fingers.set(id, at);
    const mode = this.#mode;
    switch (mode.name) {
      case "touching": {
        if (apart(mode.start, at) < SLOP) return this.handleTick(now);
        if (mode.second) {
          this.#mode = { name: "dragging" };
          this.#lastTap = null;
          return [
            { do: "press", at: mode.start, button: 0 },
            { do: "move", at },
          ];
        }
        this.#mode = { name: "moving" };
        return [{ do: "move", at }];
      }
      case "moving":
      case "dragging":
        return [{ do: "move", at }];
      case "pair": {
        const pair = this.#pair();
        const parted = Math.abs(pair.distance - mode.distance);
        const travelled = apart(pair.middle, mode.middle);
        if (parted > PINCH_SLOP && parted > travelled) {
          this.#mode = { name: "pinching", ...pair };
        } else if (travelled > SLOP) {
          this.#mode = { name: "scrolling", middle: pair.middle };
        }
        return [];
      }
      case "scrolling": {
        const { middle } = this.#pair();
        const dx = mode.middle.x - middle.x;
        const dy = mode.middle.y - middle.y;
        this.#mode = { name: "scrolling", middle };
        return dx !== 0 || dy !== 0 ? [{ do: "scroll", at: middle, dx, dy }] : [];
      }
      case "pinching": {
        const pair = this.#pair();
        this.#mode = { name: "pinching", ...pair };
        const factor = pair.distance / Math.max(1, mode.distance);
        return [
          { do: "zoom", at: pair.middle, factor },
          { do: "pan", dx: pair.middle.x - mode.middle.x, dy: pair.middle.y - mode.middle.y },
        ];
      }
      default:
        return [];
    }
  }

  handleUp(now: number, id: number): TouchAct[] {
    const at = this.#fingers.get(id);
    if (!at) return [];
    const acts = this.handleTick(now);
    this.#fingers.delete(id);
    const mode = this.#mode;
    if (mode.name === "touching") {
      acts.push({ do: "press", at: mode.start, button: 0 });
      acts.push({ do: "release", at: mode.start, button: 0 });
      this.#lastTap = { at: mode.start, when: now };
    } else if (mode.name === "dragging") {
      acts.push({ do: "release", at, button: 0 });
    }
    this.#mode = this.#fingers.size > 0 ? { name: "spent" } : { name: "none" };
    return acts;
  }

  /** The browser took the fingers away, or the page lost them: nothing stays pressed. */
  handleCancel(): TouchAct[] {
    const acts: TouchAct[] =
      this.#mode.name === "dragging" ? [{ do: "release", at: this.#firstFinger(), button: 0 }] : [];
    this.#fingers.clear();
    this.#mode = { name: "none" };
    return acts;
  }

  handleTick(now: number): TouchAct[] {
    if (this.#mode.name !== "touching" || now - this.#mode.since < LONG_PRESS_MS) return [];
    const at = this.#mode.start;
    this.#mode = { name: "spent" };
    this.#lastTap = null;
    return [
      { do: "press", at, button: 2 },
      { do: "release", at, button: 2 },
    ];
  }

  pollTimeout(): number {
    return this.#mode.name === "touching"
      ? this.#mode.since + LONG_PRESS_MS
      : Number.POSITIVE_INFINITY;
  }

  #firstFinger(): XY {
    return this.#fingers.values().next().value ?? { x: 0, y: 0 };
  }

  #pair(): { distance: number; middle: XY } {
    const [a, b] = [...this.#fingers.values()];
    if (!a || !b) return { distance: 1, middle: a ?? { x: 0, y: 0 } };
    return { distance: apart(a, b), middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } };
  }
}

const apart = (a: XY, b: XY): number => Math.hypot(a.x - b.x, a.y - b.y);
