/**
 * Drives the session machine of the core with a real socket, a real peer and
 * real timers, and publishes what the room says. It knows no element.
 */
import {
  type Answer,
  type ClientMessage,
  type Effect,
  en,
  type FloorAsk,
  type HelpAnswer,
  type InputMessage,
  type Mode,
  PhotonTracker,
  PROTOCOL,
  type Presence,
  parseServerMessage,
  type RoomEvent,
  type RoomView,
  type ServerMessage,
  Session,
  type SessionState,
  type Size,
  type Stats,
  StatsComputer,
  Store,
  type WireError,
} from "../../core/src/index.ts";
import { Alarm, Listeners } from "./listeners.ts";
import { Peer } from "./peer.ts";
import { openSocket, pageMark, roomUrl } from "./socket.ts";

export interface ConnectionOptions {
  /** Where the server is, such as `https://tandem.example`. */
  base: string;
  room: string;
  /** Only where no cookie says it. */
  token: string | null;
  codecs: readonly string[];
}

/** What changed in a session, and the place to come back to. */
export interface SessionUpdate {
  project: string;
  id: string;
  update: unknown;
}

export type CursorMessage = Extract<ServerMessage, { type: "cursor" }>;

export interface ConnectionEvents {
  stream(stream: MediaStream): void;
  /** The stream is about to end; its last picture is worth keeping. */
  freeze(): void;
  cursor(cursor: CursorMessage): void;
  event(event: RoomEvent): void;
  session(update: SessionUpdate): void;
  error(code: WireError | "client", message: string): void;
  /** The token ends in so many seconds; with another one it goes on. */
  expiring(seconds: number): void;
}

/** What the DOM parts say themselves. */
export interface ConnectionWords {
  offer: string;
  answer: string;
  message: string;
}

const READ_EVERY_MS = 1000;
const REPORT_EVERY_MS = 5000;
/** So long before its end a token is said to end; of a short one its last third. */
const TOKEN_LEAD_S = 60;
/** A server that does not say what became of a token has not taken it. */
const RENEWED_WITHIN_MS = 10_000;

export class Connection {
  readonly state = new Store<SessionState>({ name: "idle" });
  readonly room = new Store<RoomView | null>(null);
  readonly you = new Store<Presence | null>(null);
  readonly mayAct = new Store(false);
  readonly stats = new Store<Stats | null>(null);
  readonly photon = new PhotonTracker();

  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #words: () => ConnectionWords;
  #modes: readonly Mode[] | null = null;
  readonly #page = pageMark();
  readonly #tokenAlarm = new Alarm(() => this.#tellOfToken());
  readonly #session = new Session(Math.random);
  readonly #alarm = new Alarm(() => this.#step(now => this.#session.handleTick(now)));
  readonly #listeners = new Listeners();
  #numbers = new StatsComputer();
  #photons: number[] = [];
  #token: string | null;
  #tokenEnds = Number.POSITIVE_INFINITY;
  /** The token that waits to be taken, and those who wait with it. */
  #next: { token: string; done: () => void; failed: (error: Error) => void } | null = null;
  #socket: WebSocket | null = null;
  #peer: Peer | null = null;
  #iceServers: Parameters<Peer["offer"]>[0] = [];
  #reportAt = 0;
  #lastCall = 0;
  readonly #calls = new Map<number, (result: unknown) => void>();
  #roundTrip: number | null = null;
  /** The projects whose sessions are told of, each after the update that came last. */
  readonly #follows = new Map<string, string | null>();
  /** Offers of this socket that have no reply yet; only the reply to the last one counts. */
  #unanswered = 0;
  /** The room could not take the offer: it is made again when the room is live. */
  #offerAgain = false;

  constructor(
    options: ConnectionOptions,
    events: ConnectionEvents,
    words: () => ConnectionWords = () => en.error,
  ) {
    this.#words = words;
    this.#options = options;
    this.#token = options.token;
    this.#events = events;
  }

  /** To which modes this person may change the room; `null` for all. */
  get modes(): readonly Mode[] | null {
    return this.#modes;
  }

  /** The headers by which this page is known over HTTP, if it came with a token. */
  authorization(): Record<string, string> {
    if (this.#token === null) return {};
    return { authorization: `Bearer ${this.#token}`, "tandem-page": this.#page };
  }

  /**
   * Goes on with another token. What is shown goes on too: the server looks at the token and
   * takes it for the connection that is there; without one it is used for the next.
   */
  renew(token: string): Promise<void> {
    this.#next?.failed(new Error("another token came after this one"));
    const { name } = this.#session.state;
    if (name !== "joined" && name !== "live") {
      this.#token = token;
      // Refused, or on its way with the token before.
      if (name === "refused") this.#step(now => this.#session.handleConnect(now));
      return Promise.resolve();
    }
    return new Promise((done, failed) => {
      const late = setTimeout(
        () => this.#next?.failed(new Error("the server did not answer")),
        RENEWED_WITHIN_MS,
      );
      const settle = (act: () => void) => {
        clearTimeout(late);
        this.#next = null;
        act();
      };
      this.#next = {
        token,
        done: () => settle(done),
        failed: error => settle(() => failed(error)),
      };
      if (!this.#tell({ type: "token", token })) this.#next.failed(new Error("not connected"));
    });
  }

  connect(): void {
    this.#listeners.stop();
    const wake = () => this.#step(now => this.#session.handleWake(now));
    this.#listeners.on(window, "online", wake);
    this.#listeners.on(window, "pageshow", wake);
    this.#listeners.on(document, "visibilitychange", () => {
      if (!document.hidden) wake();
    });
    const reading = setInterval(() => void this.#read(), READ_EVERY_MS);
    this.#listeners.add(() => clearInterval(reading));
    this.#step(now => this.#session.handleConnect(now));
    // A person who asks again while it waits does not want to wait.
    if (this.#session.state.name === "waiting") wake();
  }

  disconnect(): void {
    this.#listeners.stop();
    this.#setTokenEnd(undefined);
    this.#step(() => this.#session.handleDisconnect());
    this.room.set(null);
    this.you.set(null);
  }

  /** False when it did not go out. */
  send(message: InputMessage): boolean {
    return this.mayAct.get() && this.#peer?.send(message) === true;
  }

  /**
   * Calls one of the agents' tools, as the agent of this viewer; resolves with what MCP would
   * answer, or with `null` when the connection ends before.
   */
  call(tool: string, args: Record<string, unknown> = {}): Promise<unknown> {
    this.#lastCall += 1;
    const id = this.#lastCall;
    return new Promise(resolve => {
      this.#calls.set(id, resolve);
      if (this.#tell({ type: "call", id, tool, arguments: args })) return;
      this.#calls.delete(id);
      resolve(null);
    });
  }

  /** Answers an agent's request for help, which the room's view lists. */
  answerHelp(id: number, answer: HelpAnswer): void {
    this.#tell({ type: "help", id, answer });
  }

  /** Wakes a room that sleeps. */
  knock(): void {
    this.#tell({ type: "knock" });
  }

  /** Does something about who may act. What the server refuses comes as an error. */
  askFloor(ask: FloorAsk): void {
    this.#tell({ type: "floor", ask });
  }

  /** Answers what an agent wants a yes for, which the room's view lists. */
  approve(id: string, answer: Answer): void {
    this.#tell({ type: "approve", id, answer });
  }

  /**
   * Tells of people's sessions with an agent in a project, after the update with this id; also
   * when the connection was lost and is back. Or no more.
   */
  followSessions(on: boolean, project: string, after: string | null = null): void {
    if (on) this.#follows.set(project, after);
    else this.#follows.delete(project);
    this.#askSessions(on, project, after);
  }

  #askSessions(on: boolean, project: string, after: string | null): void {
    this.#tell({ type: "sessions", on, project, ...(after === null ? {} : { after }) });
  }

  requestFit(size: Size): void {
    this.#tell({ type: "fit", width: size.width, height: size.height });
  }

  /** A frame of this stream was shown; `rtp` when the browser says which. */
  handleFrame(shownAt: number, rtp: number | undefined): void {
    if (rtp !== undefined) {
      this.photon.handleFrame(rtp, shownAt);
      this.#collect();
    }
    if (this.#session.state.name !== "live") this.#step(() => this.#session.handlePicture());
  }

  #step(handle: (now: number) => void): void {
    handle(performance.now());
    for (let e = this.#session.pollEffect(); e; e = this.#session.pollEffect()) this.#do(e);
    this.#alarm.set(this.#session.pollTimeout());
    this.state.set(this.#session.state);
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case "open":
        // The socket first: it takes a round trip, in which the offer is made.
        this.#openSocket();
        this.#makePeer();
        return;
      case "close":
        this.#close();
        return;
      case "renew-peer":
        this.#makePeer();
        void this.#sendOffer();
        return;
      case "ping":
        this.#tell({ type: "ping", t: effect.t });
        return;
      case "probe":
        void this.#probe();
    }
  }

  #openSocket(): void {
    this.#dropSocket();
    const socket = openSocket({ ...this.#options, token: this.#token, page: this.#page });
    this.#socket = socket;
    this.#unanswered = 0;
    this.#offerAgain = false;
    socket.onmessage = event => this.#receive(event.data);
    socket.onclose = event => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#step(now => this.#session.handleSocketClosed(now, event.code));
    };
  }

  #makePeer(): void {
    this.#dropPeer();
    this.photon.handleNewPeer();
    this.#numbers.handleNewPeer();
    this.#peer = new Peer(this.#options.codecs, {
      stream: stream => this.#events.stream(stream),
      up: () => this.#step(() => this.#session.handleMediaUp()),
      doubtful: () => this.#step(now => this.#session.handleMediaDoubtful(now)),
      failed: () => this.#step(now => this.#session.handleMediaFailed(now)),
      echo: echo => {
        this.photon.handleEcho(echo.stamp, echo.rtpTimestamp, echo.serverUs);
        this.#collect();
      },
    });
  }

  async #sendOffer(): Promise<void> {
    const peer = this.#peer;
    if (!peer) return;
    try {
      const sdp = await peer.offer(this.#iceServers);
      if (peer !== this.#peer) return;
      this.#unanswered += 1;
      this.#tell({ type: "offer", sdp });
    } catch (error) {
      if (peer !== this.#peer) return;
      this.#events.error("client", `${this.#words().offer}: ${String(error)}`);
      this.#step(now => this.#session.handleMediaFailed(now));
    }
  }

  async #takeAnswer(sdp: string): Promise<void> {
    const peer = this.#peer;
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    if (this.#unanswered > 0) return;
    try {
      await peer?.answer(sdp);
    } catch (error) {
      if (peer !== this.#peer) return;
      this.#events.error("client", `${this.#words().answer}: ${String(error)}`);
      this.#step(now => this.#session.handleMediaFailed(now));
    }
  }

  #receive(data: unknown): void {
    if (typeof data !== "string") return;
    const parsed = parseServerMessage(data);
    if (!parsed.ok) {
      // A welcome of another version may not fit our form: then it is the version that matters.
      if (this.#session.state.name === "connecting") {
        this.#step(() => this.#session.handleRefused("version"));
      }
      this.#events.error("client", `${this.#words().message} ${parsed.reason}`);
      return;
    }
    this.#take(parsed.message);
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.#iceServers = message.ice_servers;
        this.you.set(message.you);
        this.mayAct.set(message.may_act);
        this.#modes = message.modes ?? null;
        this.#setTokenEnd(message.token_seconds);
        this.#see(message.room);
        this.#step(now => this.#session.handleWelcome(now, message.protocol === PROTOCOL));
        void this.#sendOffer();
        for (const [project, after] of this.#follows) this.#askSessions(true, project, after);
        return;
      case "token":
        if (this.#next) this.#token = this.#next.token;
        this.#setTokenEnd(message.token_seconds);
        this.#next?.done();
        return;
      case "session_update":
        if (!this.#follows.has(message.project)) return;
        this.#follows.set(message.project, message.id);
        this.#events.session(message);
        return;
      case "answer":
        void this.#takeAnswer(message.sdp);
        return;
      case "view":
        this.#see(message.room);
        return;
      case "event":
        this.#events.event(message.event);
        return;
      case "cursor":
        this.#events.cursor(message);
        return;
      case "called":
        this.#calls.get(message.id)?.(message.result);
        this.#calls.delete(message.id);
        return;
      case "pong":
        this.#roundTrip = performance.now() - message.t;
        this.#step(() => this.#session.handlePong());
        return;
      case "error":
        // These two end the session, which then says so itself.
        if (message.code === "gone") this.#step(() => this.#session.handleRefused("no-room"));
        else if (message.code === "token") {
          this.#next?.failed(new Error(message.message));
        } else if (message.code === "no-codec") {
          this.#step(() => this.#session.handleRefused("no-codec"));
        } else this.#events.error(message.code, message.message);
        this.#offerRefused(message.code);
    }
  }

  #offerRefused(code: WireError): void {
    if (code !== "bad-offer" && code !== "unavailable") return;
    // A fit may be refused with the same word; then no offer waits.
    if (this.#unanswered === 0) return;
    this.#unanswered -= 1;
    if (this.#unanswered > 0) return;
    if (code === "unavailable") this.#offerAgain = true;
    else this.#step(now => this.#session.handleMediaFailed(now));
  }

  #see(room: RoomView): void {
    this.room.set(room);
    const live = room.phase.state === "live";
    this.#step(now => this.#session.handleRoomLive(now, live));
    if (live && this.#offerAgain) {
      this.#offerAgain = false;
      this.#step(now => this.#session.handleMediaFailed(now));
    }
  }

  /** False when it did not go out. */
  #tell(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  async #probe(): Promise<void> {
    const url = roomUrl(this.#options);
    // With a token of its own a socket is told why it is refused, by its close code.
    if (this.#token !== null) return;
    let status = 0;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
      status = response.status;
    } catch {
      // Not reachable: that is what the waiting already says.
    }
    this.#step(() => this.#session.handleProbe(status));
  }

  #setTokenEnd(seconds: number | undefined): void {
    this.#tokenEnds =
      seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
    const lead = Math.min(TOKEN_LEAD_S, (seconds ?? 0) / 3) * 1000;
    this.#tokenAlarm.set(this.#tokenEnds - lead);
  }

  #tellOfToken(): void {
    const left = Math.round((this.#tokenEnds - performance.now()) / 1000);
    this.#events.expiring(Math.max(0, left));
  }

  #collect(): void {
    for (const { ms } of this.photon.take()) {
      this.#numbers.addPhoton(ms);
      if (this.#photons.length < 64) this.#photons.push(ms);
    }
  }

  async #read(): Promise<void> {
    const peer = this.#peer;
    const reading = await peer?.read().catch(() => null);
    if (!reading || peer !== this.#peer) return;
    if (reading.rtt === null) reading.rtt = this.#roundTrip;
    // A page in the background shows no frames, but it decodes them.
    if (this.#session.state.name === "joined" && reading.framesDecoded > 0) {
      this.#step(() => this.#session.handlePicture());
    }
    this.stats.set(this.#numbers.handleReading(reading));
    const now = performance.now();
    if (now >= this.#reportAt && this.#photons.length > 0) {
      this.#reportAt = now + REPORT_EVERY_MS;
      this.#tell({ type: "report", photon_ms: this.#photons });
      this.#photons = [];
    }
  }

  #close(): void {
    this.#dropSocket();
    this.#dropPeer();
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#next?.failed(new Error("the connection ended"));
    for (const resolve of this.#calls.values()) resolve(null);
    this.#calls.clear();
    if (!socket) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(1000);
  }

  #dropPeer(): void {
    if (!this.#peer) return;
    this.#events.freeze();
    this.#peer.close();
    this.#peer = null;
  }
}
