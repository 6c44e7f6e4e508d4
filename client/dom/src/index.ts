/** What the element may use of the DOM parts. */
export * from "./clipboard.ts";
export * from "./connection.ts";
export * from "./cursor.ts";
export * from "./hands.ts";
export * from "./keyboard-input.ts";
export * from "./listeners.ts";
export * from "./overlay.ts";
export * from "./peer.ts";
export * from "./pointer-input.ts";
export { pageMark, roomUrl } from "./socket.ts";
export * from "./surface.ts";
