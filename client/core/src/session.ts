/**
 * The life of one viewer's connection to one room, stepped: events go in with
 * the time, effects come out of `pollEffect`, and `pollTimeout` says when to
 * call `handleTick` next. It owns when to try again; it opens nothing itself.
 *
 *            connect            welcome            picture
 *   idle ───────────▶ connecting ──────▶ joined ───────────▶ live
 *    ▲                    │ ▲               │                  │
 *    │ disconnect         │ │ back-off,     │ socket closed, silent, or
 *    │                    ▼ │ online, seen  ▼ media given up   ▼
 *    └──────────────── waiting ◀─────────────────────────────────
 *                         │ 401, 403, 404, 410, another version
 *                         ▼
 *                      refused
 */

/** Why the connection is not there. */
export type Cause =
  | "network"
  /** The server said that it restarts (close code 1012) or goes away (1001). */
  | "restart"
  /** The room answers, but no picture gets through. */
  | "media"
  /** The API answers, but the socket does not open: a proxy does not let it. */
  | "socket";

export type Refusal =
  /** It came in a cookie or an address, and somebody can paste another. */
  | "token"
  | "expired"
  | "revoked"
  | "used"
  | "unknown"
  | "origin"
  | "too-many"
  | "forbidden"
  | "no-room"
  /** Whoever administers the server ended the visit. */
  | "put-out"
  | "version"
  | "no-codec";

/** Close codes by which the server says that trying again is of no use. */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  4001: "expired",
  4002: "revoked",
  4003: "used",
  4004: "no-room",
  4005: "unknown",
  4006: "origin",
  4007: "forbidden",
  4008: "put-out",
  4029: "too-many",
};

export type SessionState =
  | { name: "idle" }
  | { name: "connecting"; attempt: number; seen: boolean; cause: Cause }
  | { name: "joined"; seen: boolean }
  | { name: "live" }
  | { name: "waiting"; attempt: number; until: number; seen: boolean; cause: Cause }
  | { name: "refused"; why: Refusal };

export type Effect =
  /** Open the socket and make a fresh peer with its offer, both at once. */
  | { do: "open" }
  /** Close socket and peer; the last picture stays. */
  | { do: "close" }
  /** The socket is well but the media is not: make a new peer and offer again. */
  | { do: "renew-peer" }
  /** Send a ping over the socket. */
  | { do: "ping"; t: number }
  /** The socket did not open: ask the API why. */
  | { do: "probe" };

export interface SessionTiming {
  firstRetry: number;
  longestRetry: number;
  openWithin: number;
  pictureWithin: number;
  pingEvery: number;
  pongWithin: number;
  /** After the page was hidden or the network changed, a shorter one. */
  pongWithinAfterWake: number;
  /** ICE may come back by itself for this long. */
  mediaGrace: number;
  /** So many peers in a row without a picture, then the socket is tried anew. */
  peersBeforeGivingUp: number;
}

export const TIMING: SessionTiming = {
  firstRetry: 250,
  longestRetry: 8000,
  openWithin: 8000,
  pictureWithin: 6000,
  pingEvery: 2000,
  pongWithin: 6000,
  pongWithinAfterWake: 2000,
  mediaGrace: 1500,
  peersBeforeGivingUp: 3,
};

export class Session {
  readonly #timing: SessionTiming;
  readonly #random: () => number;
  #state: SessionState = { name: "idle" };
  #effects: Effect[] = [];
  #attempt = 0;
  #openBy = Number.POSITIVE_INFINITY;
  #pictureBy = Number.POSITIVE_INFINITY;
  #nextPing = Number.POSITIVE_INFINITY;
  #pongBy = Number.POSITIVE_INFINITY;
  #mediaBy = Number.POSITIVE_INFINITY;
  #peersTried = 0;
  /** Whether a picture was ever shown: then the last one stays on the screen. */
  #seen = false;
  #roomLive = false;
  #cause: Cause = "network";

  constructor(random: () => number, timing: SessionTiming = TIMING) {
    this.#random = random;
    this.#timing = timing;
  }

  get state(): SessionState {
    return this.#state;
  }

  handleConnect(now: number): void {
    if (this.#state.name !== "idle" && this.#state.name !== "refused") return;
    this.#attempt = 0;
    this.#cause = "network";
    this.#open(now);
  }

  handleDisconnect(): void {
    if (this.#state.name === "idle") return;
    this.#quiet();
    this.#effects.push({ do: "close" });
    this.#seen = false;
    this.#state = { name: "idle" };
  }

  handleWelcome(now: number, protocolFits: boolean): void {
    if (this.#state.name !== "connecting") return;
    if (!protocolFits) {
      this.handleRefused("version");
      return;
    }
    this.#openBy = Number.POSITIVE_INFINITY;
    this.#peersTried = 1;
    if (this.#cause === "socket") this.#cause = "network";
    this.#state = { name: "joined", seen: this.#seen };
    this.#expectPicture(now);
    this.#ping(now, this.#timing.pongWithin);
  }

  /** A frame was shown. */
  handlePicture(): void {
    if (this.#state.name === "live") {
      this.#mediaBy = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.#state.name !== "joined") return;
    this.#pictureBy = Number.POSITIVE_INFINITY;
    this.#mediaBy = Number.POSITIVE_INFINITY;
    this.#peersTried = 0;
    this.#attempt = 0;
    this.#seen = true;
    this.#cause = "network";
    this.#state = { name: "live" };
  }

  /** A room that starts or restarts has no picture to give: the network is not to blame. */
  handleRoomLive(now: number, live: boolean): void {
    if (live === this.#roomLive) return;
    this.#roomLive = live;
    if (this.#state.name === "joined") this.#expectPicture(now);
  }

  handleMediaUp(): void {
    this.#mediaBy = Number.POSITIVE_INFINITY;
  }

  /** ICE lost its path; it may come back. */
  handleMediaDoubtful(now: number): void {
    if (this.#state.name !== "live" && this.#state.name !== "joined") return;
    this.#mediaBy = Math.min(this.#mediaBy, now + this.#timing.mediaGrace);
    this.#wake(now);
  }

  handleMediaFailed(now: number): void {
    if (this.#state.name !== "live" && this.#state.name !== "joined") return;
    this.#renewPeer(now);
  }

  handlePong(): void {
    this.#pongBy = Number.POSITIVE_INFINITY;
  }

  handleSocketClosed(now: number, code: number): void {
    const why = REFUSALS[code];
    if (why && this.#state.name !== "idle") {
      this.handleRefused(why);
      return;
    }
    if (this.#state.name === "connecting" && code !== 1012) {
      // A handshake that fails tells a page nothing about its status.
      this.#effects.push({ do: "probe" });
    }
    if (
      this.#state.name === "connecting" ||
      this.#state.name === "joined" ||
      this.#state.name === "live"
    ) {
      const restarts = code === 1012 || code === 1001;
      // Until one opens, what the last probe found still holds.
      const still = this.#cause === "restart" || this.#cause === "socket";
      const cause = restarts ? "restart" : still ? this.#cause : "network";
      this.#lose(now, cause);
    }
  }

  /** What the API said when asked why the socket did not open. */
  handleProbe(status: number): void {
    if (this.#state.name !== "waiting") return;
    if (status === 401) this.handleRefused("token");
    else if (status === 403) this.handleRefused("forbidden");
    else if (status === 404 || status === 410) this.handleRefused("no-room");
    else if (status === 200 && this.#cause === "network") {
      this.#cause = "socket";
      this.#state = { ...this.#state, cause: "socket" };
    }
  }

  handleRefused(why: Refusal): void {
    if (this.#state.name === "idle") return;
    this.#quiet();
    this.#effects.push({ do: "close" });
    this.#state = { name: "refused", why };
  }

  /** The network is back, or the page is seen again. */
  handleWake(now: number): void {
    if (this.#state.name === "waiting") {
      this.#attempt = 0;
      this.#open(now);
    } else if (this.#state.name === "joined" || this.#state.name === "live") {
      this.#wake(now);
    }
  }

  handleTick(now: number): void {
    switch (this.#state.name) {
      case "waiting":
        if (now >= this.#state.until) this.#open(now);
        return;
      case "connecting":
        if (now >= this.#openBy) this.#lose(now, this.#cause);
        return;
      case "joined":
      case "live":
        if (now >= this.#pongBy) {
          this.#lose(now, "network");
        } else if (now >= this.#mediaBy || now >= this.#pictureBy) {
          this.#renewPeer(now);
        } else if (now >= this.#nextPing) {
          this.#ping(now, this.#timing.pongWithin);
        }
        return;
      default:
        return;
    }
  }

  pollEffect(): Effect | undefined {
    return this.#effects.shift();
  }

  /** When `handleTick` has something to do; infinity when never. */
  pollTimeout(): number {
    switch (this.#state.name) {
      case "waiting":
        return this.#state.until;
      case "connecting":
        return this.#openBy;
      case "joined":
      case "live":
        return Math.min(this.#pongBy, this.#mediaBy, this.#pictureBy, this.#nextPing);
      default:
        return Number.POSITIVE_INFINITY;
    }
  }

  #open(now: number): void {
    this.#quiet();
    this.#attempt += 1;
    this.#openBy = now + this.#timing.openWithin;
    this.#effects.push({ do: "open" });
    this.#state = {
      name: "connecting",
      attempt: this.#attempt,
      seen: this.#seen,
      cause: this.#cause,
    };
  }

  #lose(now: number, cause: Cause): void {
    this.#quiet();
    this.#cause = cause;
    this.#effects.push({ do: "close" });
    this.#state = {
      name: "waiting",
      attempt: this.#attempt,
      until: now + this.#backOff(),
      seen: this.#seen,
      cause,
    };
  }

  /** Doubles with each attempt; the jitter keeps many viewers from coming back as one. */
  #backOff(): number {
    const whole = this.#timing.firstRetry * 2 ** Math.min(this.#attempt, 16);
    const most = Math.min(this.#timing.longestRetry, whole);
    return most * (0.5 + this.#random() * 0.5);
  }

  #renewPeer(now: number): void {
    this.#mediaBy = Number.POSITIVE_INFINITY;
    if (this.#peersTried >= this.#timing.peersBeforeGivingUp) {
      this.#attempt += 1;
      this.#lose(now, "media");
      return;
    }
    this.#peersTried += 1;
    this.#expectPicture(now);
    this.#effects.push({ do: "renew-peer" });
    this.#state = { name: "joined", seen: this.#seen };
  }

  #expectPicture(now: number): void {
    this.#pictureBy = this.#roomLive ? now + this.#timing.pictureWithin : Number.POSITIVE_INFINITY;
  }

  #wake(now: number): void {
    this.#ping(now, this.#timing.pongWithinAfterWake);
  }

  #ping(now: number, within: number): void {
    this.#effects.push({ do: "ping", t: now });
    this.#nextPing = now + this.#timing.pingEvery;
    this.#pongBy = Math.min(this.#pongBy, now + within);
  }

  #quiet(): void {
    this.#openBy = Number.POSITIVE_INFINITY;
    this.#pictureBy = Number.POSITIVE_INFINITY;
    this.#nextPing = Number.POSITIVE_INFINITY;
    this.#pongBy = Number.POSITIVE_INFINITY;
    this.#mediaBy = Number.POSITIVE_INFINITY;
  }
}
