/**
 * Imported first, so that it runs before the rest of the program is set up:
 * the socket's handshake takes place in that time.
 */
import { openAhead } from "../../dom/src/socket.ts";
import { readAddress } from "./address.ts";

const { base, room, token } = readAddress(location);
openAhead({ base: location.origin + base, room, token });
