/**
 * The frame's side of the protocol. It talks to one window, the parent, at the
 * one origin that the server wrote into the page, and answers whatever has the
 * wrong form with an error; who sends too much is not heard for a while.
 */
import {
  type Call,
  EMBED_PROTOCOL,
  type EmbedEvent,
  type EmbedState,
  type FromFrame,
  Inflow,
  readToFrame,
  sealed,
} from "../../core/src/index.ts";
import { EmbedFailure, type TandemEmbed } from "./room.ts";

/** Calls that may be on their way. */
const MOST_CALLS = 16;
/** Who sends too much is told so this often. */
const TOLD_EVERY_MS = 5000;
/** Events of the element that go on as they are. */
const FORWARDED = [
  "floor",
  "navigated",
  "approval",
  "help-requested",
  "agent",
  "token-expiring",
  "leave",
] as const satisfies readonly EmbedEvent[];

export class Bridge {
  readonly #room: TandemEmbed;
  readonly #parent: string;
  readonly #inflow = new Inflow();
  #calls = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(room: TandemEmbed, parent: string) {
    this.#room = room;
    this.#parent = parent;
  }

  start(): void {
    if (window.parent === window || !this.#parent) return;
    window.addEventListener("message", event => this.#hear(event));
    const room = this.#room;
    room.addEventListener("ready", ({ detail: { you, mayAct } }) => {
      const person = you ? { id: you.id, name: you.name } : null;
      this.#tell("ready", { you: person, mayAct });
    });
    room.addEventListener("state", () => this.#tell("state", this.#state()));
    room.addEventListener("error", ({ detail: { code, message } }) =>
      this.#tell("error", { code, message }),
    );
    for (const event of FORWARDED) {
      room.addEventListener(event, (told: Event) =>
        this.#tell(event, (told as CustomEvent).detail),
      );
    }
    this.#hello();
  }

  #hello(): void {
    this.#post({ type: "hello", version: EMBED_PROTOCOL, state: this.#state() });
  }

  #state(): EmbedState {
    const { name, why, message } = this.#room.stateDetail;
    return { name, why, message };
  }

  #tell(event: EmbedEvent, detail: unknown): void {
    this.#post({ type: "event", event, detail } as FromFrame);
  }

  #post(message: FromFrame): void {
    window.parent.postMessage(sealed(message), this.#parent);
  }

  #hear(event: MessageEvent): void {
    if (event.source !== window.parent || event.origin !== this.#parent) return;
    const now = performance.now();
    if (!this.#inflow.take(now)) {
      if (now - this.#toldAt < TOLD_EVERY_MS) return;
      this.#toldAt = now;
      this.#tell("error", { code: "too-many", message: "too many messages; some are not heard" });
      return;
    }
    const read = readToFrame(event.data);
    if (read.is === "foreign") return;
    if (read.is === "wrong") {
      const error = { code: read.code, message: read.reason };
      if (read.id === null) this.#tell("error", error);
      else this.#post({ type: "result", id: read.id, ok: false, error });
      return;
    }
    if (read.message.type === "hello") this.#hello();
    else void this.#answer(read.message);
  }

  async #answer(call: Call): Promise<void> {
    const { id } = call;
    if (this.#calls >= MOST_CALLS) {
      const message = `${MOST_CALLS} calls are on their way already; wait for one`;
      this.#post({ type: "result", id, ok: false, error: { code: "busy", message } });
      return;
    }
    this.#calls += 1;
    try {
      const value = await this.#do(call);
      this.#post({ type: "result", id, ok: true, value });
    } catch (error) {
      const code = error instanceof EmbedFailure ? error.code : "refused";
      const message = error instanceof Error ? error.message : String(error);
      this.#post({ type: "result", id, ok: false, error: { code, message } });
    } finally {
      this.#calls -= 1;
    }
  }

  async #do(call: Call): Promise<unknown> {
    const room = this.#room;
    switch (call.method) {
      case "takeover":
        return room.takeover();
      case "handBack":
        return room.handBack(call.args.note);
      case "navigate":
        return room.navigate(call.args.url);
      case "setMode":
        return room.setMode(call.args.mode);
      case "setPrivate":
        return room.setPrivate(call.args.on);
      case "screenshot":
        return room.screenshot();
      case "approve":
        return room.approve(call.args.id, call.args.answer, call.args.message);
      case "answerHelp": {
        const { id, answer: kind, note = "" } = call.args;
        const known = room.view?.help.some(help => help.id === id);
        if (!known) throw new EmbedFailure("unknown", "nobody asks for this help");
        room.answerHelp(id, kind === "accept" ? { kind } : { kind, note });
        return null;
      }
      case "resize": {
        const { width, height } = call.args;
        return room.resize(width && height ? { width, height } : undefined);
      }
      case "setToken":
        await room.renewToken(call.args.token);
        return null;
      case "setOptions":
        // A frame shows the room that its token and address are for.
        if (Object.hasOwn(call.args.options, "room")) {
          throw new EmbedFailure("malformed", "a frame stays in its room");
        }
        room.setOptions(call.args.options);
        return null;
      case "focus":
        room.focus();
        return null;
    }
  }
}
