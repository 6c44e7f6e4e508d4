/**
 * Where the picture lies in the element, and which display pixel is under a
 * point of it. Pure geometry: CSS pixels in, display pixels out, and back.
 */
import type { Size } from "./protocol.ts";

export type Fit = "fit" | "1:1";
export type XY = { x: number; y: number };
/** The picture's place in the element: its corner, and CSS pixels per display pixel. */
export type Placement = { left: number; top: number; scale: number };

const MOST_ZOOM = 6;

/**
 * CSS pixels per display pixel so that each display pixel is a whole number of
 * the screen's: sharp at 125 %, and not half as large as meant on a phone.
 */
export const unitScale = (devicePixelRatio: number): number =>
  Math.max(1, Math.round(devicePixelRatio)) / Math.max(0.25, devicePixelRatio);

/** The display size that fills a window of this size at `unitScale`. */
export function sizeForWindow(
  width: number,
  height: number,
  devicePixelRatio: number,
  limits = { least: 200, most: 3840 },
): Size {
  const side = (css: number): number => {
    const pixels = Math.floor(css / unitScale(devicePixelRatio));
    const even = pixels - (pixels % 2);
    return Math.max(limits.least, Math.min(limits.most, even));
  };
  return { width: side(width), height: side(height) };
}

export class Viewport {
  #element: Size = { width: 0, height: 0 };
  #display: Size = { width: 1280, height: 720 };
  #fit: Fit = "fit";
  #unit = 1;
  #zoom = 1;
  /** The display point in the middle of the element, when it does not all fit. */
  #centre: XY | null = null;

  get zoom(): number {
    return this.#zoom;
  }

  get display(): Size {
    return this.#display;
  }

  setElement(size: Size, devicePixelRatio: number): void {
    this.#element = size;
    this.#unit = unitScale(devicePixelRatio);
  }

  setDisplay(size: Size): void {
    if (size.width > 0 && size.height > 0) this.#display = size;
  }

  setFit(fit: Fit): void {
    this.#fit = fit;
    this.#zoom = 1;
    this.#centre = null;
  }

  placement(): Placement {
    const scale = this.#baseScale() * this.#zoom;
    const centre = this.#centre ?? { x: this.#display.width / 2, y: this.#display.height / 2 };
    return {
      left: corner(this.#element.width, this.#display.width, scale, centre.x),
      top: corner(this.#element.height, this.#display.height, scale, centre.y),
      scale,
    };
  }

  /** True when a part of the picture is outside, so that panning means something. */
  get overflows(): boolean {
    const { scale } = this.placement();
    return (
      this.#display.width * scale > this.#element.width + 0.5 ||
      this.#display.height * scale > this.#element.height + 0.5
    );
  }

  /** The display pixel under a point of the element, the nearest one if it is beside the picture. */
  toDisplay(point: XY): XY {
    const { left, top, scale } = this.placement();
    if (!(scale > 0)) return { x: 0, y: 0 };
    return {
      x: clamp(Math.floor((point.x - left) / scale), 0, this.#display.width - 1),
      y: clamp(Math.floor((point.y - top) / scale), 0, this.#display.height - 1),
    };
  }

  /** The middle of a display pixel, in the element. */
  toElement(point: XY): XY {
    const { left, top, scale } = this.placement();
    return { x: left + (point.x + 0.5) * scale, y: top + (point.y + 0.5) * scale };
  }

  contains(point: XY): boolean {
    const { left, top, scale } = this.placement();
    return (
      point.x >= left &&
      point.y >= top &&
      point.x < left + this.#display.width * scale &&
      point.y < top + this.#display.height * scale
    );
  }

  /** Moves the picture by CSS pixels, never further than its edge. */
  pan(dx: number, dy: number): void {
    const before = this.placement();
    this.#settle(before.left + dx, before.top + dy, before.scale);
  }

  /** Zooms so that what is under `at` stays there. */
  zoomBy(factor: number, at: XY): void {
    if (!Number.isFinite(factor) || factor <= 0) return;
    const before = this.placement();
    this.#zoom = clamp(this.#zoom * factor, 1, MOST_ZOOM);
    const scale = this.#baseScale() * this.#zoom;
    const ratio = before.scale > 0 ? scale / before.scale : 1;
    this.#settle(at.x - (at.x - before.left) * ratio, at.y - (at.y - before.top) * ratio, scale);
  }

  #settle(left: number, top: number, scale: number): void {
    if (!(scale > 0)) return;
    this.#centre = {
      x: (this.#element.width / 2 - left) / scale,
      y: (this.#element.height / 2 - top) / scale,
    };
    const settled = this.placement();
    this.#centre = {
      x: (this.#element.width / 2 - settled.left) / scale,
      y: (this.#element.height / 2 - settled.top) / scale,
    };
  }

  #baseScale(): number {
    if (this.#fit === "1:1") return this.#unit;
    const scale = Math.min(
      this.#element.width / this.#display.width,
      this.#element.height / this.#display.height,
    );
    // A hair off whole pixels would blur every letter for nothing.
    return Math.abs(scale - this.#unit) < 0.01 * this.#unit && scale >= this.#unit
      ? this.#unit
      : scale;
  }
}

/** Centred when it fits, else as the centre asks but with no gap at an edge. */
function corner(outer: number, inner: number, scale: number, centre: number): number {
  const extent = inner * scale;
  if (extent <= outer) return Math.round((outer - extent) / 2);
  return clamp(outer / 2 - centre * scale, outer - extent, 0);
}

const clamp = (n: number, least: number, most: number): number =>
  Math.max(least, Math.min(most, n));
