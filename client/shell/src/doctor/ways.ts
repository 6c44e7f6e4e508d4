/** The tries themselves: real connections to a room, each by one way only. */
import {
  type Found,
  offered,
  only,
  type Pair,
  type Told,
  type Way,
} from "../../../core/src/doctor.ts";
import type { DoctorTexts } from "../../../core/src/doctor-texts/index.ts";

const CONNECTED_WITHIN_MS = 10_000;
const PICTURE_WITHIN_MS = 6000;
const LOOK_EVERY_MS = 100;

/** Whether a WebSocket gets through to the server. */
export function trySocket(address: URL, t: DoctorTexts): Promise<Told> {
  const url = new URL(address);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new Promise(resolve => {
    const socket = new WebSocket(url);
    let late: ReturnType<typeof setTimeout>;
    const end = (told: Told) => {
      clearTimeout(late);
      socket.onclose = socket.onmessage = null;
      socket.close();
      resolve(told);
    };
    const blocked: Told = { verdict: "fail", text: t.socketBlocked };
    late = setTimeout(() => end(blocked), CONNECTED_WITHIN_MS);
    socket.onmessage = () => end({ verdict: "ok", text: t.socketOpens });
    socket.onclose = () => end(blocked);
  });
}

export async function tryWay(
  way: Way,
  whep: URL,
  iceServers: RTCIceServer[],
  t: DoctorTexts,
): Promise<Found> {
  const none: Found = { pair: null, picture: false, offered: [] };
  const pc = new RTCPeerConnection({
    iceServers: way === "udp" || way === "tcp" ? [] : iceServers,
    iceTransportPolicy: way === "turn" ? "relay" : "all",
  });
  let resource: URL | null = null;
  try {
    pc.addTransceiver("video", { direction: "recvonly" });
    await pc.setLocalDescription();
    const answer = await fetch(whep, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: pc.localDescription?.sdp ?? "",
    });
    const sdp = await answer.text();
    if (!answer.ok) {
      return { ...none, refused: t.doesNotPlay(reason(sdp) ?? t.answered(answer.status)) };
    }
    const location = answer.headers.get("Location");
    if (location) resource = new URL(location, whep);
    const kept = way === "udp" || way === "tcp" ? only(sdp, way) : sdp;
    await pc.setRemoteDescription({ type: "answer", sdp: kept });
    const all = offered(kept);
    if (!(await until(CONNECTED_WITHIN_MS, async () => pc.connectionState === "connected"))) {
      return { ...none, offered: all };
    }
    const picture = await until(PICTURE_WITHIN_MS, async () => (await frames(pc)) > 0);
    return { pair: await chosen(pc), picture, offered: all };
  } catch (error) {
    return {
      ...none,
      refused: t.notTried(error instanceof Error ? error.message : String(error)),
    };
  } finally {
    pc.close();
    if (resource) void fetch(resource, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}

/** Why the server refused, in its words. */
function reason(body: string): string | null {
  try {
    return (JSON.parse(body) as { error: { message: string } }).error.message;
  } catch {
    return null;
  }
}

/** Looks again and again: neither states nor figures of a connection can all be awaited. */
async function until(within: number, holds: () => Promise<boolean>): Promise<boolean> {
  const end = performance.now() + within;
  while (!(await holds())) {
    if (performance.now() > end) return false;
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return true;
}

interface Figures {
  id: string;
  type: string;
  [name: string]: unknown;
}

async function figures(pc: RTCPeerConnection): Promise<Map<string, Figures>> {
  const found = new Map<string, Figures>();
  for (const one of (await pc.getStats()).values() as Iterable<Figures>) found.set(one.id, one);
  return found;
}

async function frames(pc: RTCPeerConnection): Promise<number> {
  const inbound = [...(await figures(pc)).values()].find(one => one.type === "inbound-rtp");
  return Number(inbound?.framesDecoded ?? 0);
}

async function chosen(pc: RTCPeerConnection): Promise<Pair | null> {
  const all = await figures(pc);
  const transport = [...all.values()].find(one => one.type === "transport");
  const nominated = [...all.values()].find(
    one => one.type === "candidate-pair" && one.nominated && one.state === "succeeded",
  );
  const pair = all.get(String(transport?.selectedCandidatePairId)) ?? nominated;
  const local = all.get(String(pair?.localCandidateId));
  const remote = all.get(String(pair?.remoteCandidateId));
  if (!pair || !local || !remote) return null;
  const rtt = pair.currentRoundTripTime;
  return {
    protocol: String(local.protocol ?? "udp"),
    local: String(local.candidateType),
    ...(local.relayProtocol ? { relay: String(local.relayProtocol) } : {}),
    address: String(remote.address ?? remote.ip ?? "?"),
    port: Number(remote.port),
    rtt: typeof rtt === "number" ? rtt * 1000 : null,
  };
}
