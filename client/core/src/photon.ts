/**
 * Input to photon: from the moment the browser took an input to the moment the
 * first picture with its effect is shown. The server echoes the input's stamp
 * with the RTP time of that picture; the video element says when each is shown.
 * Either may come first, and either may be lost.
 */
export type Photon = { ms: number; serverMs: number };

const FRAMES_KEPT = 240;
const WAITING_KEPT = 64;
/** An input without an effect on the picture never gets an echo. */
const FORGET_AFTER_MS = 5000;
/** A picture that the server made so much later shows something else: the input changed nothing. */
const NO_EFFECT_AFTER_US = 1_000_000;

type Frame = { rtp: number; shownAt: number };
type Sent = { stamp: number; at: number };
type Echoed = { at: number; rtp: number; serverMs: number };

export class PhotonTracker {
  #stamp = 0;
  #sent: Sent[] = [];
  #echoed: Echoed[] = [];
  #frames: Frame[] = [];
  #done: Photon[] = [];

  /** A fresh stamp for an input that happened at `at`; never 0, which asks for no echo. */
  stamp(at: number): number {
    this.#stamp = this.#stamp >= 0xffffffff ? 1 : this.#stamp + 1;
    this.#sent = this.#sent.filter(s => at - s.at < FORGET_AFTER_MS);
    if (this.#sent.length >= WAITING_KEPT) this.#sent.shift();
    this.#sent.push({ stamp: this.#stamp, at });
    return this.#stamp;
  }

  handleEcho(stamp: number, rtp: number, serverUs: number): void {
    const index = this.#sent.findIndex(s => s.stamp === stamp);
    const sent = this.#sent[index];
    if (!sent) return;
    this.#sent.splice(index, 1);
    if (serverUs > NO_EFFECT_AFTER_US) return;
    const echoed = { at: sent.at, rtp, serverMs: serverUs / 1000 };
    const frame = this.#frames.find(f => f.shownAt >= sent.at && notBefore(f.rtp, rtp));
    if (frame) this.#finish(echoed, frame);
    else this.#echoed.push(echoed);
  }

  handleFrame(rtp: number, shownAt: number): void {
    const frame = { rtp, shownAt };
    this.#frames.push(frame);
    if (this.#frames.length > FRAMES_KEPT) this.#frames.shift();
    const waiting = this.#echoed;
    this.#echoed = [];
    for (const echoed of waiting) {
      if (notBefore(rtp, echoed.rtp)) this.#finish(echoed, frame);
      else if (shownAt - echoed.at < FORGET_AFTER_MS) this.#echoed.push(echoed);
    }
  }

  /** A new connection counts its RTP time from elsewhere. */
  handleNewPeer(): void {
    this.#sent = [];
    this.#echoed = [];
    this.#frames = [];
  }

  take(): Photon[] {
    const done = this.#done;
    this.#done = [];
    return done;
  }

  #finish(echoed: Echoed, frame: Frame): void {
    const ms = frame.shownAt - echoed.at;
    if (ms >= 0 && ms < FORGET_AFTER_MS && this.#done.length < WAITING_KEPT) {
      this.#done.push({ ms, serverMs: echoed.serverMs });
    }
  }
}

/** RTP time is 32 bits and comes round every 13 hours. */
const notBefore = (rtp: number, than: number): boolean => ((rtp - than) | 0) >= 0;
