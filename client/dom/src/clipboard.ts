/**
 * Copying out of the room: what was copied there is put on this machine's
 * clipboard, at once when the browser allows it and else at the next press.
 */
import { Listeners } from "./listeners.ts";

export class ClipboardWriter {
  readonly #listeners = new Listeners();
  #pending: string | null = null;

  start(): void {
    const again = () => {
      if (this.#pending !== null) void this.write(this.#pending);
    };
    this.#listeners.on(window, "pointerup", again, { capture: true });
    this.#listeners.on(window, "keyup", again, { capture: true });
  }

  stop(): void {
    this.#pending = null;
    this.#listeners.stop();
  }

  async write(text: string): Promise<void> {
    this.#pending = null;
    try {
      // Absent on a page that is not secure: there copying out is not possible.
      await navigator.clipboard?.writeText(text);
    } catch {
      this.#pending = text;
    }
  }
}
