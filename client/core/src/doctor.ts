/**
 * What the doctor's page makes of its tries: which candidates of an answer to
 * leave, and what to tell. It connects nothing.
 */

/** One address that the server offers. */
export interface Offered {
  protocol: "udp" | "tcp";
  address: string;
  port: number;
}

/** What a try found. */
export interface Found {
  /** Connected; the candidates that won. */
  pair: Pair | null;
  /** A picture came through it. */
  picture: boolean;
  /** What the server offered for it. */
  offered: readonly Offered[];
  /** Why it could not even be tried. */
  refused?: string;
}

export interface Pair {
  protocol: string;
  /** "relay" when a TURN server stands between. */
  local: string;
  /** How the browser talks to that TURN server. */
  relay?: string;
  address: string;
  port: number;
  /** There and back, in milliseconds. */
  rtt: number | null;
}

export type Way = "udp" | "tcp" | "turn" | "any";
export type Verdict = "ok" | "fail" | "off";

export interface Told {
  verdict: Verdict;
  text: string;
}

const CANDIDATE = /^a=candidate:\S+ \d+ (udp|tcp) \d+ (\S+) (\d+) /i;

export function offered(sdp: string): Offered[] {
  const found = new Map<string, Offered>();
  for (const line of sdp.split(/\r?\n/)) {
    const [, protocol, address, port] = CANDIDATE.exec(line) ?? [];
    if (!protocol || !address || !port) continue;
    const one = { protocol: protocol.toLowerCase() as "udp" | "tcp", address, port: Number(port) };
    found.set(`${one.protocol} ${address} ${port}`, one);
  }
  return [...found.values()];
}

/** The answer with candidates of one protocol only. */
export function only(sdp: string, protocol: "udp" | "tcp"): string {
  const keep = (line: string) => {
    const [, found] = CANDIDATE.exec(line) ?? [];
    return !found || found.toLowerCase() === protocol;
  };
  return sdp.split("\r\n").filter(keep).join("\r\n");
}

/** True for addresses that only their own network reaches. */
export function isPrivate(address: string): boolean {
  return /^(10\.|127\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|::1$|f[cde]|fe80:)/i.test(
    address,
  );
}

export function wayWords(way: Exclude<Way, "any">, found: Found): Told {
  if (found.refused) return { verdict: "fail", text: found.refused };
  const { pair } = found;
  if (pair && found.picture) return { verdict: "ok", text: `${pairWords(pair)}${time(pair)}.` };
  if (pair) {
    return {
      verdict: "fail",
      text: `${pairWords(pair)}, but no picture came through it. Packets of full size may be dropped on the way (a VPN with a small MTU).`,
    };
  }
  const tried = found.offered.map(one => `${one.address} port ${one.port}`);
  if (way === "turn") {
    return {
      verdict: "fail",
      text: "No connection through the TURN server. Is its port open (3478 by UDP and TCP), and may it reach this server's WebRTC port?",
    };
  }
  const name = way === "udp" ? "UDP" : "TCP";
  if (tried.length === 0) {
    return { verdict: "fail", text: `The server offers no address for ${name}.` };
  }
  const mend = found.offered.every(one => isPrivate(one.address))
    ? "Only private addresses are offered: if the server is elsewhere, start it with --rtc-public-address and its public one."
    : `A firewall on one of the two sides drops ${name} there, or --rtc-public-address is not the server's.`;
  return { verdict: "fail", text: `No answer over ${name} from ${tried.join(", ")}. ${mend}` };
}

export function pairWords(pair: Pair): string {
  const protocol = pair.protocol.toUpperCase();
  if (pair.local === "relay") {
    const by = pair.relay ? ` (reached by ${pair.relay.toUpperCase()})` : "";
    return `Through the TURN server${by} to ${pair.address} port ${pair.port}`;
  }
  return `${protocol} straight to ${pair.address} port ${pair.port}`;
}

const time = (pair: Pair): string =>
  pair.rtt === null ? "" : `, ${Math.max(1, Math.round(pair.rtt))} ms there and back`;

/** The one sentence on top: which way this browser gets, and why not a better one. */
export function sumWords(
  chosen: Found,
  told: Readonly<Record<"udp" | "tcp" | "turn" | "socket", Told>>,
): Told {
  if (told.socket.verdict === "fail") {
    return {
      verdict: "fail",
      text: "No room opens here: live connections (WebSocket) do not get through. See below.",
    };
  }
  const { pair } = chosen;
  if (!pair) {
    return {
      verdict: "fail",
      text: "The room opens, but no picture gets through: none of the ways below works. One of them must.",
    };
  }
  if (pair.local === "relay") {
    return {
      verdict: "ok",
      text: "This browser gets the picture through the TURN server, because neither UDP nor TCP gets to the server directly.",
    };
  }
  if (pair.protocol.toLowerCase() === "tcp") {
    return {
      verdict: "ok",
      text: "This browser gets the picture over TCP, because UDP does not get through. It works; where packets are lost, the picture stops for a moment.",
    };
  }
  return {
    verdict: "ok",
    text: "This browser gets the picture over UDP, directly. That is the best way.",
  };
}
