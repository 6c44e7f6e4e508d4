/** Defines <tandem-room>, and gives its types to whoever embeds it. */
import { TandemRoom } from "./room-element.ts";

export type {
  Fit,
  Notice,
  Presence,
  RoomView,
  SessionState,
  Size,
  Stats,
} from "../../core/src/index.ts";
export * from "./room-element.ts";
export { COLOURS, sheet, tokenRules } from "./tokens.ts";

declare global {
  interface HTMLElementTagNameMap {
    "tandem-room": TandemRoom;
  }
}

if (!customElements.get("tandem-room")) customElements.define("tandem-room", TandemRoom);
