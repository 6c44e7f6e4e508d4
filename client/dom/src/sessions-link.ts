/**
 * The updates of a room's sessions, as they come: one long answer of the
 * server, read again from where it ended. It knows no session and no panel.
 */
import { EventStream } from "../../core/src/event-stream.ts";
import type { Update } from "../../core/src/sessions-model.ts";
import { ApiError, type Headers, NO_HEADERS, refusalOf } from "./sessions-api.ts";

export interface LinkEvents {
  update(update: Update, place: string | null): void;
  /** The stream is open; what was missed comes by itself. */
  open(): void;
  /** It is not, and is tried again unless `error` says that this is of no use. */
  lost(error: ApiError | null): void;
}

const FIRST_RETRY_MS = 300;
const LONGEST_RETRY_MS = 8000;
/** The server says something every 15 s. */
const SILENT_MS = 40_000;

export class SessionsLink {
  readonly #url: URL;
  readonly #events: LinkEvents;
  readonly #headers: Headers;
  #place: string | null = null;
  #attempt = 0;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: URL, events: LinkEvents, headers: Headers = NO_HEADERS) {
    this.#headers = headers;
    this.#url = url;
    this.#events = events;
  }

  /** Opens it now, also while it waits to try again. */
  start(): void {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    void this.#read(abort);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  async #read(abort: AbortController): Promise<void> {
    let error: ApiError | null = null;
    let silent: ReturnType<typeof setTimeout> | undefined;
    try {
      const headers: Record<string, string> = { ...this.#headers(), accept: "text/event-stream" };
      if (this.#place !== null) headers["last-event-id"] = this.#place;
      const answer = await fetch(this.#url, { headers, signal: abort.signal, cache: "no-store" });
      if (!answer.ok || !answer.body) throw await refusalOf(answer);
      this.#attempt = 0;
      this.#events.open();
      const stream = new EventStream();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        clearTimeout(silent);
        // A phone that slept has a stream that says nothing for ever.
        silent = setTimeout(() => void reader.cancel(), SILENT_MS);
        const { done, value } = await reader.read();
        if (done) break;
        for (const event of stream.push(value)) this.#take(event.id, event.data);
      }
    } catch (thrown) {
      if (thrown instanceof ApiError) error = thrown;
    } finally {
      clearTimeout(silent);
    }
    if (this.#abort !== abort) return;
    this.#abort = null;
    this.#events.lost(error);
    if (error?.isFinal) return;
    this.#attempt += 1;
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#attempt - 1));
    this.#timer = setTimeout(() => this.start(), pause * (0.5 + Math.random() / 2));
  }

  #take(id: string | null, data: string): void {
    if (id !== null) this.#place = id;
    let update: unknown;
    try {
      update = JSON.parse(data);
    } catch {
      return;
    }
    const named = typeof update === "object" && update !== null && "type" in update;
    if (named) this.#events.update(update as Update, id);
  }
}
