/**
 * Numbers about the connection, from counters that only grow.
 */

/** One reading of the browser's counters. */
export interface Reading {
  at: number;
  framesDecoded: number;
  bytesReceived: number;
  packetsReceived: number;
  packetsLost: number;
  width: number;
  height: number;
  codec: string;
  /** Round trip in milliseconds, null while not known. */
  rtt: number | null;
}

export interface Stats {
  fps: number;
  kbps: number;
  width: number;
  height: number;
  codec: string;
  rtt: number | null;
  photonP50: number | null;
  photonP95: number | null;
  photonCount: number;
  packetsLost: number;
  /** Of the packets of the last second, 0 to 1. */
  loss: number;
  quality: Quality;
}

/** A still page sends nothing, so a low rate says nothing about quality. */
export type Quality = "good" | "fair" | "poor" | "unknown";

export class Percentiles {
  readonly #keep: number;
  #samples: number[] = [];

  constructor(keep = 200) {
    this.#keep = keep;
  }

  get count(): number {
    return this.#samples.length;
  }

  add(sample: number): void {
    if (!Number.isFinite(sample)) return;
    this.#samples.push(sample);
    if (this.#samples.length > this.#keep) this.#samples.shift();
  }

  /** The smallest sample that `share` of all do not exceed. */
  at(share: number): number | null {
    if (this.#samples.length === 0) return null;
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const index = Math.max(0, Math.ceil(share * sorted.length) - 1);
    return sorted[Math.min(index, sorted.length - 1)] ?? null;
  }
}

export class StatsComputer {
  #before: Reading | null = null;
  readonly #photon = new Percentiles();

  addPhoton(ms: number): void {
    this.#photon.add(ms);
  }

  handleReading(reading: Reading): Stats {
    const before = this.#before;
    this.#before = reading;
    const seconds = before ? (reading.at - before.at) / 1000 : 0;
    // A new connection counts from nothing.
    const grown = (now: number, then: number): number => (now >= then ? now - then : now);
    const per = (now: number, then: number): number =>
      seconds > 0 ? grown(now, then) / seconds : 0;
    const lost = before ? Math.max(0, reading.packetsLost - before.packetsLost) : 0;
    const received = before ? grown(reading.packetsReceived, before.packetsReceived) : 0;
    const loss = lost + received > 0 ? lost / (lost + received) : 0;
    return {
      fps: before ? per(reading.framesDecoded, before.framesDecoded) : 0,
      kbps: before ? (per(reading.bytesReceived, before.bytesReceived) * 8) / 1000 : 0,
      width: reading.width,
      height: reading.height,
      codec: reading.codec,
      rtt: reading.rtt,
      photonP50: this.#photon.at(0.5),
      photonP95: this.#photon.at(0.95),
      photonCount: this.#photon.count,
      packetsLost: Math.max(0, reading.packetsLost),
      loss,
      quality: judge(reading.rtt, loss),
    };
  }

  handleNewPeer(): void {
    this.#before = null;
  }
}

export function judge(rtt: number | null, loss: number): Quality {
  if (rtt === null) return "unknown";
  if (rtt > 250 || loss > 0.08) return "poor";
  if (rtt > 100 || loss > 0.02) return "fair";
  return "good";
}
