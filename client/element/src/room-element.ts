/**
 * <tandem-room>: a live room in any page. It owns the picture, the input and
 * what is said when there is no picture; it knows no framework and no app.
 *
 *   <tandem-room room="main" src="https://tandem.example" token="…"></tandem-room>
 *
 * Attributes: room, src, token, view-only, fit ("fit" or "1:1"), codecs
 * ("h264,vp8"), theme ("light" or "dark"), lang. Methods: connect, disconnect, renewToken,
 * requestFit, focus, setOnScreenKeyboard, askFloor, approve, answerHelp, call. Slot "action":
 * what is offered when a token is wanted.
 */
import {
  type Action,
  type Answer,
  type Fit,
  type FloorAsk,
  type HelpAnswer,
  type InputMessage,
  type Mode,
  type Notice,
  noticeOf,
  type Presence,
  paintOf,
  type Refusal,
  type Refused,
  type RoomEvent,
  type RoomView,
  refusalOf,
  type SessionState,
  type Settled,
  type Size,
  type Stats,
  sizeForWindow,
  type Texts,
  textsFor,
  type WireError,
} from "../../core/src/index.ts";
import {
  ClipboardWriter,
  Connection,
  cssCursor,
  KeyboardInput,
  Listeners,
  Overlay,
  PointerInput,
  type SessionUpdate,
  Surface,
} from "../../dom/src/index.ts";
import { build, type Parts } from "./parts.ts";
import { elementSheet } from "./style.ts";

export interface StateDetail {
  state: SessionState;
  notice: Notice | null;
  name: SessionState["name"];
  /** Why the room was refused. */
  why: Refusal | null;
  /** What the person reads. */
  message: string | null;
}

export interface TandemRoomEventMap {
  /** The first picture of a connection is shown. */
  ready: CustomEvent<{ you: Presence | null; mayAct: boolean }>;
  state: CustomEvent<StateDetail>;
  view: CustomEvent<RoomView>;
  error: CustomEvent<{ code: WireError | "client"; message: string }>;
  stats: CustomEvent<Stats>;
  /** A question for a yes was answered, or is asked no more. */
  settled: CustomEvent<{ id: string; how: Settled }>;
  /** A press, key, scroll or text that is not taken now: others have the room. */
  refused: CustomEvent<Refused>;
  /** What changed in a session with an agent, once `followSessions` asked for it. */
  session: CustomEvent<SessionUpdate>;
  /** The keyboard is to leave the picture; whoever embeds it gives the focus a place. */
  leave: CustomEvent<null>;
  /** The token ends soon; with `renewToken` the picture goes on. */
  "token-expiring": CustomEvent<{ seconds: number }>;
}

const labelOf = (action: Action | null, texts: Texts): string =>
  action === "connect" || action === "wake" || action === "reload" ? texts.notice[action] : "";
/** What is copied in the room by somebody else does not touch this machine's clipboard. */
const COPY_WITHIN_MS = 5000;
const TOAST_MS = 5000;
/** In these phases the room's display shows nothing. */
const NO_BROWSER: ReadonlySet<string> = new Set([
  "starting",
  "sleeping",
  "stopped",
  "restarting",
  "failed",
]);

/** Control, Alt and the like alone are no try to act, as any chord begins with them. */
const MODIFIERS: ReadonlySet<number> = new Set([29, 42, 54, 56, 58, 69, 97, 100, 125, 126]);
const isTry = (message: InputMessage): boolean =>
  message.kind === "button" || message.kind === "key"
    ? message.down && !(message.kind === "key" && MODIFIERS.has(message.code))
    : message.kind === "wheel" || message.kind === "text";

let adopted: CSSStyleSheet | undefined;

export class TandemRoom extends HTMLElement {
  static readonly observedAttributes: readonly string[] = [
    "room",
    "src",
    "token",
    "view-only",
    "fit",
    "codecs",
    "lang",
  ];

  readonly #parts: Parts;
  readonly #surface: Surface;
  readonly #overlay: Overlay;
  readonly #clipboard = new ClipboardWriter();
  readonly #pointer: PointerInput;
  readonly #keyboard: KeyboardInput;
  readonly #listeners = new Listeners();
  #connection: Connection | null = null;
  #subscriptions = new Listeners();
  #token: string | null = null;
  #lastAct = Number.NEGATIVE_INFINITY;
  #seen = false;
  /** It is in a document, and all its attributes are read. */
  #placed = false;
  #notice: Notice | null = null;
  #texts: Texts = textsFor([]);
  #toastTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    adopted ??= elementSheet();
    root.adoptedStyleSheets = [adopted];
    this.#parts = build(root);
    this.#overlay = new Overlay(this.#parts.overlay);
    this.#surface = new Surface(this.#parts, {
      frame: (at, rtp) => this.#framed(at, rtp),
      placed: placement => {
        this.#overlay.setPlacement(placement);
        this.#placeFrame();
      },
    });
    const hands = {
      stage: this.#parts.stage,
      field: this.#parts.field,
      viewport: this.#surface.viewport,
      mayAct: () => this.mayAct,
      send: (message: InputMessage) => this.#send(message),
      stamp: (at: number) => this.#connection?.photon.stamp(at) ?? 0,
      moved: () => this.#surface.place(),
      takesScroll: () => this.takesScroll(),
      words: () => this.#texts.error,
      error: (message: string) => this.#fail("client", message),
    };
    this.#pointer = new PointerInput(hands);
    this.#keyboard = new KeyboardInput(
      hands,
      () => this.#emit("leave", null),
      () => this.#releaseAll(),
    );
  }

  get room(): string {
    return this.getAttribute("room") ?? "main";
  }
  set room(name: string) {
    this.setAttribute("room", name);
  }

  /** Where the server is; this page's own origin when not set. */
  get src(): string {
    return this.getAttribute("src") ?? location.origin;
  }
  set src(base: string) {
    this.setAttribute("src", base);
  }

  get token(): string | null {
    return this.#token;
  }
  /** Kept out of the document. What is there goes on with it, if something is. */
  set token(token: string | null) {
    if (token === this.#token) return;
    this.#token = token;
    if (token === null) return;
    if (this.#connection) void this.renewToken(token).catch(() => {});
    else if (this.#placed) this.connect();
  }

  /** What a request of this page brings along to say who asks; nothing where a cookie does. */
  authorization(): Record<string, string> {
    return this.#connection?.authorization() ?? {};
  }

  /**
   * Goes on with another token, for the same room and role; the picture does not stop. Rejects
   * with the server's reason when it is not taken: then the one before holds as long as it is good.
   */
  async renewToken(token: string): Promise<void> {
    this.#token = token;
    try {
      await this.#connection?.renew(token);
    } catch (error) {
      this.#fail("token", error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** The texts of the language that the element or its place in the document has. */
  get texts(): Texts {
    return this.#texts;
  }

  /** To which modes this person may change the room; `null` for all. */
  get modes(): readonly Mode[] | null {
    return this.#connection?.modes ?? null;
  }

  /** Whose pointers are shown. */
  protected shows(_who: Presence): boolean {
    return true;
  }

  /** Whether a scroll over the picture is for it, and not for the page around it. */
  protected takesScroll(): boolean {
    return true;
  }

  /** The element's own tree, for an element that adds to it. */
  protected get parts(): Readonly<Parts> {
    return this.#parts;
  }

  /** Shows and tells of something that went wrong here. */
  protected fail(message: string): void {
    this.#fail("client", message);
  }

  /** Something changed that only concerns what is shown of it. */
  protected refresh(): void {
    this.#readLanguage();
    const room = this.view;
    if (room) this.#showPresent(room);
    this.#say(noticeOf(this.state, room, this.#texts, this.you));
  }

  get viewOnly(): boolean {
    return this.hasAttribute("view-only");
  }
  set viewOnly(on: boolean) {
    this.toggleAttribute("view-only", on);
  }

  get fit(): Fit {
    return this.getAttribute("fit") === "1:1" ? "1:1" : "fit";
  }
  set fit(fit: Fit) {
    this.setAttribute("fit", fit);
  }

  get codecs(): string[] {
    return (this.getAttribute("codecs") ?? "")
      .toLowerCase()
      .split(/[\s,]+/)
      .filter(name => name !== "");
  }
  set codecs(codecs: readonly string[]) {
    this.setAttribute("codecs", codecs.join(","));
  }

  /** Whether what the person does here reaches the room. */
  get mayAct(): boolean {
    return !this.viewOnly && this.#connection?.mayAct.get() === true;
  }
  get you(): Presence | null {
    return this.#connection?.you.get() ?? null;
  }
  get view(): RoomView | null {
    return this.#connection?.room.get() ?? null;
  }
  get state(): SessionState {
    return this.#connection?.state.get() ?? { name: "idle" };
  }
  get stats(): Stats | null {
    return this.#connection?.stats.get() ?? null;
  }
  get notice(): Notice | null {
    return this.#notice;
  }
  get stateDetail(): StateDetail {
    const { state } = this;
    const notice = this.#notice;
    const why = state.name === "refused" ? state.why : null;
    return { state, notice, name: state.name, why, message: notice?.sentence ?? null };
  }

  connect(): void {
    if (!this.#connection) this.#make();
    this.#connection?.connect();
  }

  disconnect(): void {
    this.#releaseAll();
    this.#connection?.disconnect();
    this.#subscriptions.stop();
    this.#connection = null;
    this.#overlay.clear();
    this.#say(noticeOf({ name: "idle" }, null, this.#texts));
  }

  /**
   * Calls one of the agents' tools, such as `browser_navigate`, as the agent of this viewer.
   * Resolves with what MCP would answer, or with `null` when the connection ends before.
   */
  call(tool: string, args: Record<string, unknown> = {}): Promise<unknown> {
    return this.#connection?.call(tool, args) ?? Promise.resolve(null);
  }

  /** Tells of people's sessions in a project by the event `session`, or no more. */
  followSessions(on: boolean, project = "main", after: string | null = null): void {
    this.#connection?.followSessions(on, project, after);
  }

  /** Answers an agent's request for help, which the view lists. */
  answerHelp(id: number, answer: HelpAnswer): void {
    this.#connection?.answerHelp(id, answer);
  }

  /** Takes over, hands back, asks, gives or changes the mode; the view tells what came of it. */
  askFloor(ask: FloorAsk): void {
    // Nothing of this person's stays pressed over a change of who may act.
    this.#releaseAll();
    this.#connection?.askFloor(ask);
  }

  /** Answers what an agent wants a yes for, which the view lists. */
  approve(id: string, answer: Answer): void {
    this.#connection?.approve(id, answer);
  }

  /** The picture as it is now, as an address of its data; `null` when there is none. */
  still(): string | null {
    return this.#draw()?.toDataURL("image/jpeg", 0.85) ?? null;
  }

  #draw(): HTMLCanvasElement | null {
    const { video, still } = this.#parts;
    const from = still.hidden ? video : still;
    const [width, height] =
      from === video ? [video.videoWidth, video.videoHeight] : [still.width, still.height];
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = width > 0 && height > 0 ? canvas.getContext("2d") : null;
    if (!context) return null;
    context.drawImage(from, 0, 0);
    return canvas;
  }

  /** The same as a file's content. */
  picture(): Promise<Blob | null> {
    const canvas = this.#draw();
    return canvas ? new Promise(done => canvas.toBlob(done, "image/png")) : Promise.resolve(null);
  }

  /** The pixel of the shared display at a place of this page; `null` beside the picture. */
  displayAt(clientX: number, clientY: number): { x: number; y: number } | null {
    const { left, top } = this.#parts.stage.getBoundingClientRect();
    const point = { x: clientX - left, y: clientY - top };
    return this.#surface.viewport.contains(point) ? this.#surface.viewport.toDisplay(point) : null;
  }

  /** Where a place of the display is on this page. */
  clientAt(x: number, y: number): { x: number; y: number } {
    const stage = this.#parts.stage.getBoundingClientRect();
    const { left, top, scale } = this.#surface.viewport.placement();
    return { x: stage.left + left + x * scale, y: stage.top + top + y * scale };
  }

  /** Asks the room to take this size, or that of this element. */
  requestFit(size?: Size): void {
    const { clientWidth, clientHeight } = this.#parts.stage;
    this.#connection?.requestFit(
      size ?? sizeForWindow(clientWidth, clientHeight, window.devicePixelRatio || 1),
    );
  }

  setOnScreenKeyboard(shown: boolean): void {
    if (this.mayAct) this.#keyboard.setOnScreen(shown);
  }

  override focus(options?: FocusOptions): void {
    if (this.mayAct) this.#parts.field.focus({ preventScroll: true, ...options });
    else super.focus(options);
  }

  override addEventListener<K extends keyof TandemRoomEventMap>(
    type: K,
    listener: (this: TandemRoom, event: TandemRoomEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    // biome-ignore lint/suspicious/noExplicitAny: the overloads above say what is taken.
    listener: any,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
  }

  override removeEventListener<K extends keyof TandemRoomEventMap>(
    type: K,
    listener: (this: TandemRoom, event: TandemRoomEventMap[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    // biome-ignore lint/suspicious/noExplicitAny: the overloads above say what is taken.
    listener: any,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener, options);
  }

  connectedCallback(): void {
    this.#placed = true;
    this.#readLanguage();
    this.#listen();
    this.#applyRights();
    if (!this.#connection) this.connect();
  }

  disconnectedCallback(): void {
    this.#placed = false;
    this.#listeners.stop();
    // Somebody may only be moving it to another place.
    queueMicrotask(() => {
      if (!this.isConnected) this.disconnect();
    });
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    switch (name) {
      case "token":
        if (now !== null) this.token = now;
        return;
      case "lang":
        this.refresh();
        return;
      case "fit":
        this.#surface.viewport.setFit(this.fit);
        this.#surface.place();
        return;
      case "view-only":
        if (this.viewOnly) this.#releaseAll();
        this.#applyRights();
        return;
    }
    // Another room, server or codec is another connection.
    if (this.#connection) {
      this.disconnect();
      this.connect();
    }
  }

  #make(): void {
    const connection = new Connection(
      { base: this.src, room: this.room, token: this.#token, codecs: this.codecs },
      {
        stream: stream => this.#surface.show(stream),
        freeze: () => this.#surface.freeze(),
        cursor: cursor => {
          this.#parts.picture.style.cursor = this.mayAct ? cssCursor(cursor) : "default";
        },
        event: event => this.#happened(event),
        session: update => this.#emit("session", update),
        error: (code, message) => this.#fail(code, message),
        expiring: seconds => this.#emit("token-expiring", { seconds }),
      },
      () => this.#texts.error,
    );
    this.#connection = connection;
    this.#subscriptions.stop();
    const subscriptions = new Listeners();
    this.#subscriptions = subscriptions;
    subscriptions.add(connection.room.subscribe(room => this.#see(room)));
    subscriptions.add(connection.mayAct.subscribe(() => this.#applyRights()));
    subscriptions.add(connection.state.subscribe(state => this.#changed(state)));
    subscriptions.add(
      connection.stats.subscribe(stats => {
        if (stats) this.#emit("stats", stats);
      }),
    );
  }

  #listen(): void {
    this.#listeners.stop();
    const on = this.#listeners;
    this.#surface.start();
    this.#pointer.start();
    this.#keyboard.start();
    this.#clipboard.start();
    on.add(() => this.#surface.stop());
    on.add(() => this.#pointer.stop());
    on.add(() => this.#keyboard.stop());
    on.add(() => this.#clipboard.stop());
    on.on(window, "blur", () => this.#releaseAll());
    on.on(document, "visibilitychange", () => {
      if (document.hidden) this.#releaseAll();
    });
    on.on(document, "fullscreenchange", () => this.#lockKeys());
    on.on(this.#parts.button, "click", () => this.#act());
    // A ring only for a keyboard that came here by Tab: a press shows by itself where it went.
    let pressed = false;
    on.on(
      this,
      "pointerdown",
      () => {
        pressed = true;
        this.classList.remove("keyed");
      },
      { capture: true },
    );
    on.on(this.#parts.field, "focus", () => {
      this.classList.toggle("keyed", !pressed);
      pressed = false;
    });
    on.on(this.#parts.field, "blur", () => this.classList.remove("keyed"));
  }

  #send(message: InputMessage): boolean {
    if (!this.mayAct) return false;
    if (message.kind !== "move") this.#lastAct = performance.now();
    // It goes out all the same: the server knows best, and the view may be a moment old.
    if (isTry(message)) {
      const refused = refusalOf(this.view, this.you, true, this.#texts);
      if (refused) this.#emit("refused", refused);
    }
    return this.#connection?.send(message) ?? false;
  }

  #releaseAll(): void {
    const held = this.#pointer.holdsAny || this.#keyboard.holdsAny;
    this.#pointer.releaseAll();
    this.#keyboard.releaseAll();
    if (held) this.#connection?.send({ kind: "release-all" });
  }

  /** What happened in the room, for an element that tells of it. */
  protected told(_event: RoomEvent): void {}

  #happened(event: RoomEvent): void {
    this.told(event);
    if (event.kind === "clipboard") {
      if (this.mayAct && performance.now() - this.#lastAct < COPY_WITHIN_MS) {
        void this.#clipboard.write(event.text);
      }
      return;
    }
    if (event.kind === "settled") {
      this.#emit("settled", { id: event.id, how: event.how });
      return;
    }
    this.#overlay.handle(event, (this.stats?.rtt ?? 0) / 2);
  }

  #see(room: RoomView | null): void {
    if (room) {
      const before = this.#surface.viewport.display;
      if (before.width !== room.size.width || before.height !== room.size.height) {
        this.#surface.viewport.setDisplay(room.size);
        this.#surface.place();
      }
      const holder = room.holder;
      this.#parts.frame.style.setProperty("--_actor", holder ? paintOf(holder) : "transparent");
      this.#showPresent(room);
      this.#emit("view", room);
    }
    this.#say(noticeOf(this.state, room, this.#texts, this.you));
  }

  #showPresent(room: RoomView): void {
    const shown = room.present.filter(who => this.shows(who));
    this.#overlay.setPresent(shown, this.you?.id ?? null);
  }

  #readLanguage(): void {
    const said = this.closest("[lang]")?.getAttribute("lang");
    this.#texts = textsFor([said, navigator.language]);
    this.#parts.field.setAttribute("aria-label", this.#texts.bar.picture);
  }

  #changed(state: SessionState): void {
    if (state.name === "waiting" || state.name === "refused") {
      this.#pointer.releaseAll();
      this.#keyboard.releaseAll();
      this.#overlay.clear();
      // Who acts is not known without a connection.
      this.#parts.frame.style.setProperty("--_actor", "transparent");
    }
    this.#say(noticeOf(state, this.view, this.#texts, this.you));
    this.#emit("state", this.stateDetail);
    if (state.name === "live") this.#emit("ready", { you: this.you, mayAct: this.mayAct });
  }

  #framed(at: number, rtp: number | undefined): void {
    if (!this.#seen) {
      this.#seen = true;
      this.#parts.picture.classList.add("seen");
      this.#parts.frame.classList.add("seen");
    }
    this.#connection?.handleFrame(at, rtp);
  }

  #say(notice: Notice | null): void {
    const before = this.#notice;
    this.#notice = notice;
    const { picture, notice: box, wheel, sentence, detail, button } = this.#parts;
    picture.classList.toggle("stale", notice !== null);
    const { state, view } = this;
    const browserGone = view !== null && NO_BROWSER.has(view.phase.state);
    const hidden = notice?.tone === "private";
    const blank = this.#surface.hold(browserGone) || state.name === "refused" || hidden;
    for (const part of [picture, this.#parts.frame]) part.classList.toggle("blank", blank);
    this.#parts.overlay.hidden = browserGone || hidden;
    box.hidden = notice === null;
    if (!notice) return;
    wheel.hidden = notice.tone !== "busy";
    // Said once: a status that is written again is read out again.
    if (before?.sentence !== notice.sentence) sentence.textContent = notice.sentence;
    detail.textContent = notice.detail ?? "";
    detail.hidden = !notice.detail;
    const label = labelOf(notice.action, this.#texts);
    button.textContent = label;
    button.hidden = label === "";
  }

  #act(): void {
    switch (this.#notice?.action) {
      case "connect":
        this.connect();
        break;
      case "wake":
        this.#connection?.knock();
        break;
      case "reload":
        location.reload();
    }
  }

  #applyRights(): void {
    const { field, picture } = this.#parts;
    field.disabled = !this.mayAct;
    if (!this.mayAct) picture.style.cursor = "default";
  }

  #placeFrame(): void {
    const { stage, frame } = this.#parts;
    const { left, top, scale } = this.#surface.viewport.placement();
    const { width, height } = this.#surface.viewport.display;
    const x = Math.max(0, left);
    const y = Math.max(0, top);
    const right = Math.min(stage.clientWidth, left + width * scale);
    const bottom = Math.min(stage.clientHeight, top + height * scale);
    // The stage lies 2 px inside; the frame is drawn just around the picture.
    frame.style.transform = `translate(${x}px, ${y}px)`;
    frame.style.width = `${Math.max(0, right - x) + 4}px`;
    frame.style.height = `${Math.max(0, bottom - y) + 4}px`;
  }

  #lockKeys(): void {
    const { keyboard } = navigator as Navigator & {
      keyboard?: { lock(): Promise<void>; unlock(): void };
    };
    // In full screen also Alt+Tab and the like belong to the room, where the browser allows it.
    if (document.fullscreenElement && this.mayAct) void keyboard?.lock().catch(() => {});
    else keyboard?.unlock();
  }

  #fail(code: WireError | "client", message: string): void {
    this.#emit("error", { code, message });
    const { toast } = this.#parts;
    toast.textContent = message;
    toast.hidden = false;
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => {
      toast.hidden = true;
    }, TOAST_MS);
  }

  #emit<K extends keyof TandemRoomEventMap>(
    type: K,
    detail: TandemRoomEventMap[K]["detail"],
  ): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
