/**
 * The page's side of a room in a frame: the methods of the element as calls by
 * `postMessage`, and its events. It hears nobody but its frame, from the origin
 * that it expects, and believes nothing that is not of the protocol's form.
 */
import {
  type EmbedAnswer,
  type EmbedEvent,
  type EmbedEvents,
  type EmbedMethod,
  type EmbedMethods,
  type Mode,
  readFromFrame,
  type Size,
  sealed,
} from "../../core/src/index.ts";
import type { Options } from "./options.ts";
import { EmbedFailure } from "./room.ts";

export interface FrameOptions {
  /** Where the server is, such as `https://tandem.example`. */
  src: string;
  room?: string;
  token: string;
  options?: Options & Readonly<Record<`--tandem-${string}`, string>>;
}

/** The address for an `iframe`, with the options in it. */
export function frameAddress({ src, room = "main", token, options = {} }: FrameOptions): string {
  const base = src.endsWith("/") ? src : `${src}/`;
  const url = new URL(`embed/${encodeURIComponent(room)}`, base);
  url.searchParams.set("token", token);
  for (const [name, value] of Object.entries(options)) {
    if (typeof value === "string") url.searchParams.set(name, value);
  }
  return url.href;
}

/** Calls that may be on their way. */
const MOST_CALLS = 16;
const ANSWERED_WITHIN_MS = 35_000;

interface Waiting {
  resolve(value: never): void;
  reject(error: EmbedFailure): void;
  late: ReturnType<typeof setTimeout>;
}

export class TandemFrame extends EventTarget {
  readonly #frame: HTMLIFrameElement;
  readonly #origin: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #abort = new AbortController();
  #lastId = 0;

  /** `origin` is where the server is: that of the frame's address unless it is said. */
  constructor(frame: HTMLIFrameElement, origin = new URL(frame.src, location.href).origin) {
    super();
    this.#frame = frame;
    this.#origin = origin;
    const { signal } = this.#abort;
    window.addEventListener("message", event => this.#hear(event), { signal });
    frame.addEventListener("load", () => this.#hello(), { signal });
    // What can be read is still the empty page of our own origin: nobody hears there.
    if (frame.contentDocument === null) this.#hello();
  }

  takeover(): Promise<null> {
    return this.#call("takeover", {});
  }
  handBack(note = ""): Promise<null> {
    return this.#call("handBack", { note });
  }
  navigate(url: string): Promise<null> {
    return this.#call("navigate", { url });
  }
  setMode(mode: Mode): Promise<null> {
    return this.#call("setMode", { mode });
  }
  /** To be alone with the page, or no longer. */
  setPrivate(on: boolean): Promise<null> {
    return this.#call("setPrivate", { on });
  }
  async screenshot(): Promise<Blob> {
    const value = await this.#call("screenshot", {});
    if (value instanceof Blob) return value;
    throw new EmbedFailure("malformed", "the frame gave no picture");
  }
  approve(id: string, answer: EmbedAnswer, message?: string): Promise<null> {
    return this.#call("approve", { id, answer, ...(message === undefined ? {} : { message }) });
  }
  answerHelp(id: number, answer: "accept" | "done" | "decline", note = ""): Promise<null> {
    return this.#call("answerHelp", { id, answer, note });
  }
  resize(size?: Size): Promise<null> {
    return this.#call("resize", size ? { width: size.width, height: size.height } : {});
  }
  /** Goes on with another token; the picture does not stop. */
  setToken(token: string): Promise<null> {
    return this.#call("setToken", { token });
  }
  setOptions(options: Record<string, string | null>): Promise<null> {
    return this.#call("setOptions", { options });
  }
  async focus(): Promise<null> {
    this.#frame.focus();
    return this.#call("focus", {});
  }

  on<E extends EmbedEvent>(
    event: E,
    hear: (detail: EmbedEvents[E]) => void,
    options?: AddEventListenerOptions,
  ): void {
    this.addEventListener(
      event,
      told => hear((told as CustomEvent<EmbedEvents[E]>).detail),
      options,
    );
  }

  /** Hears nothing any more; what is on its way fails. */
  dispose(): void {
    this.#abort.abort();
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.late);
      waiting.reject(new EmbedFailure("disposed", "the page let go of the frame"));
    }
    this.#waiting.clear();
  }

  #hello(): void {
    this.#post({ type: "hello" });
  }

  #post(message: Parameters<typeof sealed>[0]): void {
    this.#frame.contentWindow?.postMessage(sealed(message), this.#origin);
  }

  #call<M extends EmbedMethod>(
    method: M,
    args: EmbedMethods[M]["args"],
  ): Promise<EmbedMethods[M]["value"]> {
    if (this.#abort.signal.aborted) {
      return Promise.reject(new EmbedFailure("disposed", "the page let go of the frame"));
    }
    if (this.#waiting.size >= MOST_CALLS) {
      const reason = `${MOST_CALLS} calls are on their way already; wait for one`;
      return Promise.reject(new EmbedFailure("busy", reason));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new EmbedFailure("late", "the frame did not answer"));
      }, ANSWERED_WITHIN_MS);
      this.#waiting.set(id, { resolve, reject, late });
      this.#post({ type: "call", id, method, args } as Parameters<typeof sealed>[0]);
    });
  }

  #hear(event: MessageEvent): void {
    if (event.source !== this.#frame.contentWindow || event.origin !== this.#origin) return;
    const read = readFromFrame(event.data);
    if (read.is !== "message") return;
    const { message } = read;
    switch (message.type) {
      case "hello":
        this.#tell("state", message.state);
        return;
      case "event":
        this.#tell(message.event, message.detail);
        return;
      case "result": {
        const waiting = this.#waiting.get(message.id);
        if (!waiting) return;
        this.#waiting.delete(message.id);
        clearTimeout(waiting.late);
        if (message.ok) waiting.resolve(message.value as never);
        else waiting.reject(new EmbedFailure(message.error.code, message.error.message));
      }
    }
  }

  #tell(event: EmbedEvent, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}
