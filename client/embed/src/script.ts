/** What one script tag from the server gives: <tandem-room> and the frame's other side. */
import { define } from "./define.ts";

export { frameAddress, TandemFrame } from "./frame.ts";
export { TandemEmbed } from "./room.ts";

define();
