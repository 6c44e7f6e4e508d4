/** Server-Sent Events out of text that comes in any pieces. It keeps no event and no time. */

export interface StreamEvent {
  id: string | null;
  data: string;
}

/** More than the largest update; a stream that never ends a line is cut off. */
const LONGEST = 24 * 1024 * 1024;

export class EventStream {
  #rest = "";
  #id: string | null = null;
  #data: string[] = [];

  /** The events that this piece completes. Throws when it is no such stream. */
  push(text: string): StreamEvent[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LONGEST) throw new Error("A line of the stream never ends.");
    const events: StreamEvent[] = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) events.push({ id: this.#id, data: this.#data.join("\n") });
        this.#data = [];
        continue;
      }
      const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === "data") this.#data.push(value);
      else if (name === "id") this.#id = value;
    }
    return events;
  }
}
