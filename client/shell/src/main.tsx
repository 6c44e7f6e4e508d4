/**
 * The entry. The room connects before anything is drawn: its socket and its
 * offer are on their way while the bar is made.
 */
import "./early.ts";
import "../../element/src/index.ts";
import { render } from "solid-js/web";
import { sheet, tokenRules } from "../../element/src/index.ts";
import { readAddress } from "./address.ts";
import { App } from "./app.tsx";

const address = readAddress(location);
if (address.tidy !== null) history.replaceState(null, "", address.tidy);

const room = document.createElement("tandem-room");
room.room = address.room;
room.token = address.token;
if (address.base) room.src = location.origin + address.base;
if (address.codecs) room.setAttribute("codecs", address.codecs);
if (address.viewOnly) room.viewOnly = true;
room.connect();

document.adoptedStyleSheets = [sheet(tokenRules(":root"))];
// In a task of its own: an answer of the server that is here already goes before.
setTimeout(() => render(() => <App room={room} />, document.body));
