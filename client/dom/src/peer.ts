/**
 * One RTCPeerConnection: a video line to receive and the two data channels.
 * The offer is made at once and needs no candidate of ours: the server has a
 * fixed address and learns ours from the first packet.
 */
import {
  channelOf,
  decodeEcho,
  type Echo,
  encode,
  type IceServer,
  type InputMessage,
  type Reading,
} from "../../core/src/index.ts";

export interface PeerEvents {
  stream(stream: MediaStream): void;
  up(): void;
  doubtful(): void;
  failed(): void;
  echo(echo: Echo): void;
}

/** More than this unsent: the path is stuck and a move is worth nothing any more. */
const MOVES_UNSENT = 4 * 1024;
/** And acts are refused rather than done all at once much later. */
const ACTS_UNSENT = 512 * 1024;

export class Peer {
  readonly #pc: RTCPeerConnection;
  readonly #moves: RTCDataChannel;
  readonly #acts: RTCDataChannel;
  readonly #events: PeerEvents;
  readonly #codecs: readonly string[];
  #offer: Promise<string>;
  #closed = false;

  constructor(codecs: readonly string[], events: PeerEvents) {
    this.#codecs = codecs;
    this.#events = events;
    this.#pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#moves = this.#pc.createDataChannel("moves", { ordered: false, maxRetransmits: 0 });
    this.#acts = this.#pc.createDataChannel("acts", { ordered: true });
    for (const channel of [this.#moves, this.#acts]) channel.binaryType = "arraybuffer";
    this.#moves.onmessage = event => this.#receive(event.data);
    const transceiver = this.#pc.addTransceiver("video", { direction: "recvonly" });
    this.#prefer(transceiver);
    holdNothingBack(transceiver.receiver);
    this.#pc.ontrack = event => {
      if (!this.#closed) events.stream(event.streams[0] ?? new MediaStream([event.track]));
    };
    this.#pc.onconnectionstatechange = () => this.#judge();
    this.#offer = this.#makeOffer();
    // Whoever awaits it hears of a failure; until then it is not unhandled.
    this.#offer.catch(() => {});
  }

  /** The offer to send. With relays given, one that knows them. */
  async offer(iceServers: readonly IceServer[]): Promise<string> {
    if (iceServers.length > 0) {
      await this.#offer;
      this.#pc.setConfiguration({ bundlePolicy: "max-bundle", iceServers: [...iceServers] });
      this.#offer = this.#makeOffer({ iceRestart: true });
    }
    return this.#offer;
  }

  async answer(sdp: string): Promise<void> {
    if (this.#closed || this.#pc.signalingState !== "have-local-offer") return;
    await this.#pc.setRemoteDescription({ type: "answer", sdp });
  }

  /** False when it could not go out: not connected, stuck, or too large. */
  send(message: InputMessage): boolean {
    const isMove = channelOf(message) === "moves";
    const channel = isMove ? this.#moves : this.#acts;
    if (channel.readyState !== "open") return false;
    if (channel.bufferedAmount > (isMove ? MOVES_UNSENT : ACTS_UNSENT)) return false;
    const bytes = encode(message);
    if (!bytes) return false;
    channel.send(bytes);
    return true;
  }

  async read(): Promise<Reading | null> {
    if (this.#closed) return null;
    return toReading(await this.#pc.getStats());
  }

  close(): void {
    this.#closed = true;
    this.#pc.ontrack = null;
    this.#pc.onconnectionstatechange = null;
    this.#moves.onmessage = null;
    this.#pc.close();
  }

  async #makeOffer(options?: RTCOfferOptions): Promise<string> {
    const offer = await this.#pc.createOffer(options);
    await this.#pc.setLocalDescription(offer);
    return offer.sdp ?? "";
  }

  #prefer(transceiver: RTCRtpTransceiver): void {
    if (this.#codecs.length === 0 || !transceiver.setCodecPreferences) return;
    const all = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
    const named = (name: string) =>
      all.filter(codec => codec.mimeType.toLowerCase() === `video/${name}`);
    const wanted = this.#codecs.flatMap(named);
    if (wanted.length > 0) transceiver.setCodecPreferences([...wanted, ...named("rtx")]);
  }

  #judge(): void {
    switch (this.#pc.connectionState) {
      case "connected":
        this.#events.up();
        break;
      case "disconnected":
        this.#events.doubtful();
        break;
      case "failed":
        this.#events.failed();
        break;
    }
  }

  #receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return;
    const echo = decodeEcho(new Uint8Array(data));
    if (echo.ok) this.#events.echo(echo.value);
  }
}

/** Show each picture as soon as it is decoded: here latency is worth more than smoothness. */
function holdNothingBack(receiver: RTCRtpReceiver): void {
  const hints = receiver as RTCRtpReceiver & {
    jitterBufferTarget?: number | null;
    playoutDelayHint?: number | null;
  };
  if ("jitterBufferTarget" in hints) hints.jitterBufferTarget = 0;
  else if ("playoutDelayHint" in hints)
    (hints as { playoutDelayHint: number }).playoutDelayHint = 0;
}

function toReading(report: RTCStatsReport): Reading {
  const reading: Reading = {
    at: performance.now(),
    framesDecoded: 0,
    bytesReceived: 0,
    packetsReceived: 0,
    packetsLost: 0,
    width: 0,
    height: 0,
    codec: "",
    rtt: null,
  };
  let pair: RTCIceCandidatePairStats | undefined;
  for (const entry of report.values()) {
    if (entry.type === "inbound-rtp" && entry.kind === "video") {
      const video = entry as RTCInboundRtpStreamStats;
      reading.framesDecoded = video.framesDecoded ?? 0;
      reading.bytesReceived = video.bytesReceived ?? 0;
      reading.packetsReceived = video.packetsReceived ?? 0;
      reading.packetsLost = video.packetsLost ?? 0;
      reading.width = video.frameWidth ?? 0;
      reading.height = video.frameHeight ?? 0;
      const codec = video.codecId ? report.get(video.codecId) : undefined;
      reading.codec = String(codec?.mimeType ?? "").replace("video/", "");
    } else if (entry.type === "transport" && entry.selectedCandidatePairId) {
      pair = report.get(entry.selectedCandidatePairId);
    } else if (entry.type === "candidate-pair" && entry.nominated && !pair) {
      pair = entry;
    }
  }
  if (pair?.currentRoundTripTime !== undefined) reading.rtt = pair.currentRoundTripTime * 1000;
  return reading;
}
