/**
 * Where a room's socket is, and one that was opened ahead of the program that
 * uses it. It owns no connection: whoever takes a socket listens to it in the
 * same task, or its first message is lost.
 */
export interface SocketPlace {
  base: string;
  room: string;
  token: string | null;
}

let ahead: WebSocket | null = null;

/** Starts the handshake now; the first to ask for this place gets it. */
export function openAhead(place: SocketPlace): void {
  ahead = new WebSocket(socketUrl(place));
}

export function openSocket(place: SocketPlace): WebSocket {
  const url = socketUrl(place);
  const opened = ahead;
  ahead = null;
  if (opened && opened.url === url.href && opened.readyState <= WebSocket.OPEN) return opened;
  opened?.close(1000);
  return new WebSocket(url);
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
  if (place.token) url.searchParams.set("token", place.token);
  return url;
}
