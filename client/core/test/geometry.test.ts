import { describe, expect, it } from "vitest";
import { MoveThrottle, sizeForWindow, unitScale, Viewport, Wheel } from "../src/index.ts";

const viewport = (width: number, height: number, dpr = 1) => {
  const view = new Viewport();
  view.setDisplay({ width: 1280, height: 720 });
  view.setElement({ width, height }, dpr);
  return view;
};

describe("viewport", () => {
  it("a letterboxed picture is centred and whole", () => {
    expect(viewport(1280, 760).placement()).toEqual({ left: 0, top: 20, scale: 1 });
    expect(viewport(640, 720).placement()).toEqual({ left: 0, top: 180, scale: 0.5 });
  });

  it("a point beside the picture is its nearest pixel", () => {
    const view = viewport(640, 720);
    expect(view.toDisplay({ x: 0, y: 0 })).toEqual({ x: 0, y: 0 });
    expect(view.toDisplay({ x: 639.9, y: 719 })).toEqual({ x: 1279, y: 719 });
    expect(view.contains({ x: 5, y: 5 })).toBe(false);
    expect(view.contains({ x: 5, y: 200 })).toBe(true);
  });

  it("there and back is the same pixel, at any scale, fit and zoom", () => {
    for (const [width, height] of [
      [1280, 720],
      [390, 700],
      [2560, 1300],
      [801, 333],
    ] as const) {
      for (const fit of ["fit", "1:1"] as const) {
        const view = viewport(width, height, 1.5);
        view.setFit(fit);
        view.zoomBy(2.3, { x: width / 3, y: height / 4 });
        const { left, top, scale } = view.placement();
        for (const pixel of [
          { x: 700, y: 400 },
          { x: 640, y: 361 },
        ]) {
          const at = view.toElement(pixel);
          expect(view.toDisplay(at)).toEqual(pixel);
        }
        expect(left + 1280 * scale).toBeGreaterThanOrEqual(Math.min(width, 1280 * scale) - 1);
        expect(top).toBeLessThanOrEqual(Math.max(0, (height - 720 * scale) / 2) + 1);
      }
    }
  });

  it("1:1 pans to the edges and no further", () => {
    const view = viewport(640, 400);
    view.setFit("1:1");
    expect(view.overflows).toBe(true);
    view.pan(10_000, 10_000);
    expect(view.toDisplay({ x: 0, y: 0 })).toEqual({ x: 0, y: 0 });
    view.pan(-10_000, -10_000);
    expect(view.toDisplay({ x: 639, y: 399 })).toEqual({ x: 1279, y: 719 });
    view.pan(100, 50);
    expect(view.toDisplay({ x: 639, y: 399 })).toEqual({ x: 1179, y: 669 });
  });

  it("zoom keeps what is under the fingers", () => {
    const view = viewport(1280, 720);
    const at = { x: 300, y: 200 };
    const before = view.toDisplay(at);
    view.zoomBy(2, at);
    expect(view.zoom).toBe(2);
    expect(view.toDisplay(at)).toEqual(before);
    view.zoomBy(0.01, at);
    expect(view.zoom).toBe(1);
    expect(view.placement()).toEqual({ left: 0, top: 0, scale: 1 });
  });

  it("1:1 is a whole number of the screen's pixels", () => {
    expect(unitScale(1)).toBe(1);
    expect(unitScale(1.25)).toBe(0.8);
    expect(unitScale(2)).toBe(1);
    expect(unitScale(3)).toBe(1);
  });

  it("a window's size is even and within what a display can be", () => {
    expect(sizeForWindow(1281, 759, 1)).toEqual({ width: 1280, height: 758 });
    expect(sizeForWindow(1000, 600, 1.25)).toEqual({ width: 1250, height: 750 });
    expect(sizeForWindow(390, 700, 3)).toEqual({ width: 390, height: 700 });
    expect(sizeForWindow(50, 9000, 1)).toEqual({ width: 200, height: 3840 });
  });

  it("an element without a size harms nothing", () => {
    expect(viewport(0, 0).toDisplay({ x: 5, y: 5 })).toEqual({ x: 0, y: 0 });
  });
});

describe("wheel", () => {
  it("a notch is 120 in pixels, lines and pages", () => {
    expect(new Wheel().handle(0, 100, 0)).toEqual({ dx: 0, dy: 120 });
    expect(new Wheel().handle(0, -3, 1)).toEqual({ dx: 0, dy: -120 });
    expect(new Wheel().handle(1, 0, 2)).toEqual({ dx: 600, dy: 0 });
  });

  it("a slow trackpad is not rounded away", () => {
    const wheel = new Wheel();
    let total = 0;
    for (let i = 0; i < 100; i += 1) total += wheel.handle(0, 0.5, 0)?.dy ?? 0;
    expect(total).toBe(60);
  });

  it("absurd deltas are cut and rubbish is nothing", () => {
    expect(new Wheel().handle(0, 1e9, 0)).toEqual({ dx: 0, dy: 4800 });
    expect(new Wheel().handle(Number.NaN, 0, 0)).toBeNull();
  });
});

describe("moves", () => {
  it("the first goes at once, the last always, none too soon", () => {
    const moves = new MoveThrottle(8);
    expect(moves.handle(0, { x: 1, y: 1 })).toEqual({ x: 1, y: 1 });
    expect(moves.handle(2, { x: 2, y: 2 })).toBeNull();
    expect(moves.handle(4, { x: 3, y: 3 })).toBeNull();
    expect(moves.pollTimeout()).toBe(8);
    expect(moves.handleTick(8)).toEqual({ x: 3, y: 3 });
    expect(moves.pollTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  it("a press makes the waiting move pointless", () => {
    const moves = new MoveThrottle(8);
    moves.handle(0, { x: 1, y: 1 });
    moves.handle(1, { x: 2, y: 2 });
    moves.handleAct();
    expect(moves.handleTick(50)).toBeNull();
  });
});
