/**
 * The room's pointer image as a CSS cursor: the viewer's own system draws it,
 * so it moves with no delay at all.
 */
import type { CursorMessage } from "./connection.ts";

/** Browsers ignore a larger one. */
const LARGEST = 128;

export function cssCursor(cursor: CursorMessage): string {
  if (cursor.png === "" || cursor.width === 0 || cursor.height === 0) return "none";
  if (cursor.width > LARGEST || cursor.height > LARGEST) return "default";
  // Only what base64 is made of may end up inside the style.
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(cursor.png)) return "default";
  const x = Math.min(cursor.width - 1, Math.max(0, Math.round(cursor.hot_x)));
  const y = Math.min(cursor.height - 1, Math.max(0, Math.round(cursor.hot_y)));
  return `url(data:image/png;base64,${cursor.png}) ${x} ${y}, default`;
}
