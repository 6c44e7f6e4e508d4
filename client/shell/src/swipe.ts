/** A sideways swipe of one finger, which is no scroll and no press. */
import { onCleanup } from "solid-js";

const FAR = 60;
const QUICK_MS = 700;

/** `begins` says whether a swipe may begin at a place; `swiped` is told the way it went. */
export function onSwipe(
  begins: (event: TouchEvent) => boolean,
  swiped: (to: "left" | "right") => void,
): void {
  let start: { x: number; y: number; at: number } | null = null;
  const down = (event: TouchEvent) => {
    const touch = event.touches.length === 1 && begins(event) ? event.touches[0] : undefined;
    start = touch ? { x: touch.clientX, y: touch.clientY, at: performance.now() } : null;
  };
  const up = (event: TouchEvent) => {
    const touch = event.changedTouches[0];
    if (!start || !touch) return;
    const [dx, dy] = [touch.clientX - start.x, touch.clientY - start.y];
    const quick = performance.now() - start.at < QUICK_MS;
    start = null;
    if (quick && Math.abs(dx) >= FAR && Math.abs(dx) > 2 * Math.abs(dy)) {
      swiped(dx < 0 ? "left" : "right");
    }
  };
  document.addEventListener("touchstart", down, { capture: true, passive: true });
  document.addEventListener("touchend", up, { capture: true, passive: true });
  onCleanup(() => {
    document.removeEventListener("touchstart", down, { capture: true });
    document.removeEventListener("touchend", up, { capture: true });
  });
}
