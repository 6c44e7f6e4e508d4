/**
 * The page in a frame: one <tandem-room> over all of it. The token leaves the
 * address before anything else happens, and lives on in this memory alone.
 */
import { sheet } from "../../element/src/tokens.ts";
import { Bridge } from "./bridge.ts";
import { define } from "./define.ts";
import { applyOptions } from "./options.ts";

const address = new URL(location.href);
const token = address.searchParams.get("token");
address.searchParams.delete("token");
history.replaceState(null, "", address);

define();
document.adoptedStyleSheets = [
  sheet(`html, body { margin: 0; height: 100%; overflow: hidden; }
    tandem-room { position: fixed; inset: 0; height: auto; aspect-ratio: auto; min-height: 0; border-radius: 0; }`),
];

const [, room = "main"] = /\/embed\/([a-z0-9][a-z0-9-]{0,31})\/?$/.exec(address.pathname) ?? [];
const element = document.createElement("tandem-room");
element.room = room;
// The server may be below a path of somebody else's.
element.src = new URL("..", address.origin + address.pathname).href;
const options = Object.fromEntries(address.searchParams);
delete options.room;
for (const wrong of applyOptions(element, options)) console.warn(`tandem: ${wrong}`);
document.documentElement.lang = options.lang ?? navigator.language;
element.token = token;

const parent = document.querySelector<HTMLMetaElement>('meta[name="tandem-parent"]')?.content ?? "";
new Bridge(element, parent).start();
// Whoever walks by landmarks finds the room in the frame.
const main = document.createElement("main");
main.append(element);
document.body.append(main);
