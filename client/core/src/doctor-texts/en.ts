/** English. */
import type { DoctorTexts } from "./texts.ts";

export const en: DoctorTexts = {
  language: "en",
  title: "Tandem: which way to the picture",
  heading: "Which way the picture takes",
  tryingAll: "Trying the ways from this browser to the server …",
  trying: "trying …",
  fromHere: "From this browser",
  theServer: "The server itself",
  you: "You",
  checks: {
    store: "Data",
    disk: "Disk",
    "shared-memory": "Shared memory",
    rooms: "Rooms",
    "user-namespaces": "Sandbox",
  },
  well: "All well.",
  silent: why => `The server does not tell about itself: ${why}`,
  answered: status => `the server answered ${status}`,
  noRoom: "There is no room that this link opens, so no way can be tried.",
  noTurn:
    "No TURN server is set up (--turn-url). It is needed only where neither UDP nor TCP gets through.",
  runs: (version, port, others) =>
    `${version}, WebRTC on port ${port} by UDP and TCP${others.length > 0 ? `, also as ${others.join(", ")}` : ""}.`,
  comeFrom: (address, secure) => `come from ${address}${secure ? ", by TLS" : ""}.`,
  comeFromProxy: address =>
    `come from ${address}, which is a proxy: name it with --trusted-proxies, or its limits hold for all people together.`,
  socketOpens: "Opens and carries messages.",
  socketBlocked:
    "It does not open, though the server answers otherwise. A proxy in between takes the Upgrade header away or does not know WebSockets; see docker/README.md for what nginx and others need.",
  doesNotPlay: why => `The room does not play: ${why}`,
  notTried: why => `It could not be tried: ${why}`,
  straight: (protocol, address, port) => `${protocol} straight to ${address} port ${port}`,
  relayed: (by, address, port) =>
    `Through the TURN server${by ? ` (reached by ${by})` : ""} to ${address} port ${port}`,
  thereAndBack: ms => `${ms} ms there and back`,
  noPicture:
    "but no picture came through it. Packets of full size may be dropped on the way (a VPN with a small MTU).",
  noTurnWay:
    "No connection through the TURN server. Is its port open (3478 by UDP and TCP), and may it reach this server's WebRTC port?",
  noAddress: protocol => `The server offers no address for ${protocol}.`,
  onlyPrivate:
    "Only private addresses are offered: if the server is elsewhere, start it with --rtc-public-address and its public one.",
  firewall: protocol =>
    `A firewall on one of the two sides drops ${protocol} there, or --rtc-public-address is not the server's.`,
  place: (address, port) => `${address} port ${port}`,
  noAnswer: (protocol, places) => `No answer over ${protocol} from ${places}.`,
  sum: {
    noSocket: "No room opens here: live connections (WebSocket) do not get through. See below.",
    noWay:
      "The room opens, but no picture gets through: none of the ways below works. One of them must.",
    turn: "This browser gets the picture through the TURN server, because neither UDP nor TCP gets to the server directly.",
    tcp: "This browser gets the picture over TCP, because UDP does not get through. It works; where packets are lost, the picture stops for a moment.",
    udp: "This browser gets the picture over UDP, directly. That is the best way.",
  },
};
