/**
 * Where a room's socket is, and one that was opened ahead of the program that
 * uses it. It owns no connection: whoever takes a socket listens to it in the
 * same task, or its first message is lost.
 */
export interface SocketPlace {
  base: string;
  room: string;
  /** Goes into the handshake's list of subprotocols: unlike an address, that is in no log. */
  token: string | null;
  /** By which a page without cookies is known again, if it has a token. */
  page?: string;
}

let ahead: WebSocket | null = null;

/** Starts the handshake now; the first to ask for this place gets it. */
export function openAhead(place: SocketPlace): void {
  ahead = new WebSocket(socketUrl(place), protocols(place));
}

export function openSocket(place: SocketPlace): WebSocket {
  const url = socketUrl(place);
  const opened = ahead;
  ahead = null;
  const same = opened?.url === url.href && place.token === null;
  if (opened && same && opened.readyState <= WebSocket.OPEN) return opened;
  opened?.close(1000);
  return new WebSocket(url, protocols(place));
}

/** A secret of this page alone, in memory alone. */
export function pageMark(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
}

/** A token has no character that a subprotocol may not have; what has is none. */
const TOKEN = /^[A-Za-z0-9._~-]{1,200}$/;

function protocols({ token, page }: SocketPlace): string[] {
  if (token === null) return [];
  const said = TOKEN.test(token) ? token : "none";
  return ["tandem.1", `tandem.token.${said}`, ...(page ? [`tandem.page.${page}`] : [])];
}

/** An address below where the server stands, which may itself be below a path of its site. */
export function below(base: string, path: string): URL {
  return new URL(path, base.endsWith("/") ? base : `${base}/`);
}

export function roomUrl(place: Pick<SocketPlace, "base" | "room">, rest = ""): URL {
  return below(place.base, `api/rooms/${encodeURIComponent(place.room)}${rest}`);
}

function socketUrl(place: SocketPlace): URL {
  const url = roomUrl(place, "/ws");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
