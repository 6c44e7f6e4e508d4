/**
 * What the doctor's page makes of its tries: which candidates of an answer to
 * leave, and what to tell. It connects nothing; its words are in `doctor-texts`.
 */
import { type DoctorTexts, en } from "./doctor-texts/index.ts";

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

export function wayWords(way: Exclude<Way, "any">, found: Found, t: DoctorTexts = en): Told {
  if (found.refused) return { verdict: "fail", text: found.refused };
  const { pair } = found;
  if (pair) {
    const words = pairWords(pair, t);
    if (!found.picture) return { verdict: "fail", text: `${words}, ${t.noPicture}` };
    const time = pair.rtt === null ? "" : t.thereAndBack(Math.max(1, Math.round(pair.rtt)));
    return { verdict: "ok", text: `${[words, time].filter(Boolean).join(", ")}.` };
  }
  if (way === "turn") return { verdict: "fail", text: t.noTurnWay };
  const name = way.toUpperCase();
  if (found.offered.length === 0) return { verdict: "fail", text: t.noAddress(name) };
  const tried = found.offered.map(one => t.place(one.address, one.port)).join("; ");
  const mend = found.offered.every(one => isPrivate(one.address))
    ? t.onlyPrivate
    : t.firewall(name);
  return { verdict: "fail", text: `${t.noAnswer(name, tried)} ${mend}` };
}

function pairWords({ local, relay, protocol, address, port }: Pair, t: DoctorTexts): string {
  return local === "relay"
    ? t.relayed(relay?.toUpperCase() ?? null, address, port)
    : t.straight(protocol.toUpperCase(), address, port);
}

/** The one sentence on top: which way this browser gets, and why not a better one. */
export function sumWords(
  chosen: Found,
  told: Readonly<Record<"udp" | "tcp" | "turn" | "socket", Told>>,
  { sum }: DoctorTexts = en,
): Told {
  if (told.socket.verdict === "fail") return { verdict: "fail", text: sum.noSocket };
  const { pair } = chosen;
  if (!pair) return { verdict: "fail", text: sum.noWay };
  if (pair.local === "relay") return { verdict: "ok", text: sum.turn };
  return { verdict: "ok", text: pair.protocol.toLowerCase() === "tcp" ? sum.tcp : sum.udp };
}
