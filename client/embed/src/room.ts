/**
 * <tandem-room> for somebody else's page: the room's element with a slim bar,
 * what is wanted of the person and a panel around it, and with methods and
 * events that are the same for a frame. The frame's page shows this element
 * and nothing else, so there is one bar and not two.
 */
import {
  type Answer,
  type EmbedAnswer,
  type EmbedError,
  type Fact,
  Facts,
  type FloorAsk,
  type HelpAnswer,
  leaseOf,
  type Mode,
  type Presence,
  type RoomEvent,
  type RoomView,
  type Size,
} from "../../core/src/index.ts";
import { Listeners } from "../../dom/src/index.ts";
import { TandemRoom, type TandemRoomEventMap } from "../../element/src/room-element.ts";
import { Bar } from "./bar.ts";
import { Cards } from "./cards.ts";
import { ChatPlace } from "./chat.ts";
import { make, say } from "./make.ts";
import { applyOptions, OPTION_NAMES } from "./options.ts";
import { Panel } from "./panel.ts";
import { aroundSheet } from "./style.ts";

type FactEvents = { [F in Fact as F["event"]]: CustomEvent<F["detail"]> };
export interface TandemEmbedEventMap extends TandemRoomEventMap, FactEvents {}

/** A method that did not do what it was asked, with a code for programs. */
export class EmbedFailure extends Error implements EmbedError {
  override readonly name = "EmbedFailure";
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** So long the room may take to do what it was asked. */
const DONE_WITHIN_MS = 10_000;
/** A size that still changes is not asked for. */
const RESIZE_RESTS_MS = 250;
const BLANK: ReadonlySet<string> = new Set(["", "about:blank", "chrome://newtab/"]);

export class TandemEmbed extends TandemRoom {
  static override readonly observedAttributes = [
    ...new Set([...TandemRoom.observedAttributes, ...OPTION_NAMES]),
  ];

  readonly #bar: Bar;
  readonly #cards: Cards;
  readonly #chat: ChatPlace;
  readonly #panel: Panel;
  /** Whose questions are asked in the conversation, so that no card has to. */
  #asking: { project: string; root: string } | null = null;
  readonly #hint = make("div", "hint");
  readonly #after = make("span", "after");
  readonly #facts = new Facts();
  readonly #around = new Listeners();
  #queue: Promise<unknown> = Promise.resolve();
  #stale = false;
  #started = false;
  #resizing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.#bar = new Bar({
      ask: ask => this.#go(ask),
      togglePanel: () => {
        const shown = this.getAttribute("panel") === "shown";
        this.setAttribute("panel", shown ? "hidden" : "shown");
      },
    });
    this.#cards = new Cards({
      approve: (id, answer) => super.approve(id, answer),
      help: (id, answer) => super.answerHelp(id, answer),
    });
    this.#chat = new ChatPlace({
      close: () => this.setAttribute("panel", "hidden"),
      asking: asking => {
        this.#asking = asking;
        this.#show();
      },
      there: () => this.#show(),
    });
    this.#panel = new Panel(this.#chat.root, () => this.#show());
    this.#hint.setAttribute("aria-hidden", "true");
    // Only while it has the focus is it a place in the order, from which Tab goes on.
    this.#after.tabIndex = -1;
    this.#after.addEventListener("blur", () => {
      this.#after.tabIndex = -1;
    });
    const root = this.shadowRoot;
    if (!root) throw new Error("The element has its own tree.");
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, aroundSheet()];
    // Before the room in the order of the keyboard, so that Tab comes by them.
    root.prepend(this.#bar.root, this.#panel.root);
    root.append(this.#after, make("div", "ring"));
    this.parts.room.append(this.#cards.root, this.#hint);
    this.addEventListener("view", event => this.#see(event.detail));
    this.addEventListener("state", event => {
      if (event.detail.name === "idle" || event.detail.name === "refused") {
        this.#facts.handleEnd();
        this.#chat.end();
      }
      this.#show();
    });
    this.addEventListener("ready", () => this.#begin());
    this.addEventListener("leave", () => {
      this.#after.tabIndex = 0;
      this.#after.focus({ preventScroll: true });
    });
    for (const type of ["focus", "blur"] as const) {
      this.parts.field.addEventListener(type, () => this.#applyScroll());
    }
  }

  /** With no token there is nothing to bring to another site: it waits for one. */
  override connect(): void {
    const here = new URL(this.src, location.href).origin === location.origin;
    if (this.token !== null || here) super.connect();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // In a page that does not say how large it is it has a shape of its own.
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(this.parts.stage);
    this.#around.add(() => observer.disconnect());
    this.#around.add(() => clearTimeout(this.#resizing));
    this.#show();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#chat.end();
    this.#around.stop();
  }

  override attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (name === "token" && now !== null) {
      super.attributeChangedCallback(name, before, now);
      // It has no business in a document that scripts, tools and recordings read.
      this.removeAttribute("token");
      return;
    }
    if (TandemRoom.observedAttributes.includes(name)) {
      super.attributeChangedCallback(name, before, now);
    }
    if (name === "fit") this.#resized();
    if (name === "people") this.refresh();
    this.#show();
  }

  /** Takes the floor from everybody of lower rank until it is handed back. */
  takeover(): Promise<null> {
    return this.#until(
      () => this.askFloor({ kind: "takeover" }),
      view => view.floor.takeover?.id === this.you?.id,
    );
  }

  handBack(note = ""): Promise<null> {
    return this.#until(
      () => this.askFloor({ kind: "hand-back", note }),
      view => leaseOf(view)?.id !== this.you?.id,
      "always",
    );
  }

  /** Goes to a page as this person's agent: the room's rules are asked, as for any agent. */
  async navigate(url: string): Promise<null> {
    const answer = await this.call("browser_navigate", { url });
    if (!isAnswer(answer)) throw notConnected();
    if (answer.isError) {
      const { code, message } = answer.structuredContent?.error ?? {};
      throw new EmbedFailure(String(code ?? "refused"), String(message ?? "the room refused"));
    }
    return null;
  }

  setMode(mode: Mode): Promise<null> {
    return this.#until(
      () => this.askFloor({ kind: "mode", mode }),
      view => view.floor.mode === mode,
    );
  }

  /** To be alone with the page, or no longer: agents and viewers see nothing of it meanwhile. */
  setPrivate(on: boolean): Promise<null> {
    return this.#until(
      () => this.askFloor({ kind: "private", on }),
      ({ private: moment }) => {
        if (!on || !moment) return !on && !moment;
        // One that a field of secrets began ends with it, until it is asked for.
        return moment.by.id === this.you?.id && !moment.by_field && !moment.ending;
      },
    );
  }

  /** The picture as it is now, as a PNG. */
  async screenshot(): Promise<Blob> {
    const picture = await this.picture();
    if (!picture) throw new EmbedFailure("no-picture", "there is no picture yet");
    return picture;
  }

  /** Answers what an agent wants a yes for. */
  override approve(id: string, answer: EmbedAnswer | Answer, message?: string): Promise<null> {
    const known = this.view?.approvals.some(each => each.id === id && each.answered === null);
    if (!known) return Promise.reject(new EmbedFailure("unknown", "no such question is open"));
    const given: Answer =
      typeof answer === "object"
        ? answer
        : answer === "deny" && message
          ? { answer, message }
          : { answer };
    return this.#until(
      () => super.approve(id, given),
      view => !view.approvals.some(each => each.id === id && each.answered === null),
    );
  }

  /** Gives the room's display this size, or that of this element. */
  resize(size?: Size): Promise<null> {
    if (!size) {
      this.requestFit();
      return Promise.resolve(null);
    }
    const even = (side: number): number => Math.round(side) - (Math.round(side) % 2);
    const wanted = { width: even(size.width), height: even(size.height) };
    return this.#until(
      () => this.requestFit(wanted),
      view => view.size.width === wanted.width && view.size.height === wanted.height,
    );
  }

  /** Sets options and colours by name; `null` takes one back. Rejects what it does not know. */
  setOptions(options: Readonly<Record<string, string | null>>): void {
    const wrong = applyOptions(this, options);
    if (wrong.length > 0) throw new EmbedFailure("malformed", wrong.join("; "));
  }

  override addEventListener<K extends keyof TandemEmbedEventMap>(
    type: K,
    listener: (this: TandemEmbed, event: TandemEmbedEventMap[K]) => void,
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

  protected override shows(who: Presence): boolean {
    switch (this.getAttribute("people")) {
      case "agents":
        return who.kind === "agent";
      case "none":
        return false;
      default:
        return true;
    }
  }

  protected override takesScroll(): boolean {
    if (this.getAttribute("scroll") === "always") return true;
    return this.shadowRoot?.activeElement === this.parts.field;
  }

  protected override told(event: RoomEvent): void {
    const fact = this.#facts.handleEvent(event);
    if (fact) this.#tell(fact);
  }

  #see(view: RoomView): void {
    for (const fact of this.#facts.handleView(view, this.texts)) this.#tell(fact);
    this.#show();
  }

  #tell(fact: Fact): void {
    this.#panel.handle(fact, this.#present(), this.texts);
    this.dispatchEvent(new CustomEvent(fact.event, { detail: fact.detail }));
  }

  #present(): Presence[] {
    return (this.view?.present ?? []).filter(who => this.shows(who));
  }

  /** The first picture: the room is here. */
  #begin(): void {
    const url = this.getAttribute("start-url");
    if (this.#started) return;
    this.#started = true;
    this.#resized();
    if (url && this.mayAct && BLANK.has(this.view?.page?.url ?? "")) {
      this.navigate(url).catch((error: Error) => this.fail(error.message));
    }
  }

  #go(ask: FloorAsk): void {
    this.askFloor(ask);
    if (ask.kind === "takeover") this.focus();
  }

  #resized(): void {
    clearTimeout(this.#resizing);
    if (this.getAttribute("fit") !== "room" || !this.mayAct) return;
    this.#resizing = setTimeout(() => this.requestFit(), RESIZE_RESTS_MS);
  }

  #applyScroll(): void {
    this.classList.toggle("aside", !this.takesScroll());
  }

  /** Many things change at once; it is drawn once. */
  #show(): void {
    if (this.#stale) return;
    this.#stale = true;
    queueMicrotask(() => {
      this.#stale = false;
      // Nothing is written on an element that the parser is still making.
      if (this.isConnected) this.#draw();
    });
  }

  #draw(): void {
    const { view, you, mayAct, modes, texts, state } = this;
    const here = state.name === "joined" || state.name === "live";
    const panel = this.getAttribute("panel") === "shown";
    const shown = this.#present();
    this.#bar.root.hidden = this.getAttribute("bar") === "hidden";
    this.#panel.root.hidden = !panel;
    const seen = here ? view : null;
    this.#bar.show({ view: seen, you, mayAct, modes, shown: here ? shown : [], panel, texts });
    if (panel && here && mayAct) this.#chat.want(this);
    this.#panel.show(here ? shown : [], you, texts, this.#chat.isThere && mayAct);
    const talks = panel && this.#panel.talks;
    this.#chat.show(talks);
    this.#cards.show(
      seen && { ...seen, approvals: this.#elsewhere(seen, talks) },
      you,
      mayAct,
      texts,
    );
    say(this.#hint, texts.bar.leaveHint);
    this.#applyScroll();
  }

  /** The questions that are not asked in the conversation already. */
  #elsewhere(view: RoomView, talks: boolean): RoomView["approvals"] {
    const asking = talks ? this.#asking : null;
    return view.approvals.filter(
      ({ session }) =>
        !asking || session?.root !== asking.root || session.project !== asking.project,
    );
  }

  /** Asks for something one after the other, and waits until the room shows it or says no. */
  #until(
    ask: () => void,
    done: (view: RoomView) => boolean,
    when: "unless-done" | "always" = "unless-done",
  ): Promise<null> {
    const run = () =>
      new Promise<null>((resolve, reject) => {
        const { name } = this.state;
        if (name !== "joined" && name !== "live") return reject(notConnected());
        if (when === "unless-done" && this.view && done(this.view)) return resolve(null);
        const on = new Listeners();
        const settle = (act: () => void) => {
          on.stop();
          act();
        };
        const late = setTimeout(() => {
          settle(() => reject(new EmbedFailure("late", "the room did not do it in time")));
        }, DONE_WITHIN_MS);
        on.add(() => clearTimeout(late));
        const listen = <K extends "view" | "error" | "state">(
          type: K,
          take: (detail: TandemRoomEventMap[K]["detail"]) => void,
        ) => on.on(this, type, event => take((event as unknown as TandemRoomEventMap[K]).detail));
        listen("view", view => {
          if (done(view)) settle(() => resolve(null));
        });
        listen("error", ({ code, message }) =>
          settle(() => reject(new EmbedFailure(code, message))),
        );
        listen("state", ({ name: now }) => {
          if (now !== "joined" && now !== "live") settle(() => reject(notConnected()));
        });
        ask();
      });
    const asked = this.#queue.then(run);
    this.#queue = asked.catch(() => {});
    return asked;
  }
}

const notConnected = () => new EmbedFailure("not-connected", "the room is not connected");

type ToolAnswer = {
  isError?: boolean;
  structuredContent?: { error?: { code?: unknown; message?: unknown } };
};
const isAnswer = (value: unknown): value is ToolAnswer =>
  typeof value === "object" && value !== null;

export type { EmbedAnswer, HelpAnswer };
