/** Gives <tandem-room> its name, once, however often it is loaded. */
import { TandemEmbed } from "./room.ts";

declare global {
  interface HTMLElementTagNameMap {
    "tandem-room": TandemEmbed;
  }
}

export function define(name = "tandem-room"): void {
  if (!customElements.get(name)) customElements.define(name, TandemEmbed);
}
