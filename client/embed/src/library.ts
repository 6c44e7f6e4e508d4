/**
 * For those who draw the picture themselves: the connection to a room, which
 * gives a `MediaStream`, and what turns a person's hands into input. No element
 * is defined and nothing is drawn.
 */
export * from "../../core/src/index.ts";
export {
  Connection,
  type ConnectionEvents,
  type ConnectionOptions,
  type CursorMessage,
  cssCursor,
  type Hands,
  KeyboardInput,
  Listeners,
  Overlay,
  PointerInput,
  Surface,
} from "../../dom/src/index.ts";
