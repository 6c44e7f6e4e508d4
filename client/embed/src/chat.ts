/**
 * The place of the conversation with the room's agent. It asks the server
 * whether there is one for this token, and only then fetches the script that
 * draws it, from the same server: an element that is never talked by stays small.
 */

import { below, roomUrl } from "../../dom/src/socket.ts";
import type { TandemRoom } from "../../element/src/room-element.ts";
import { make } from "./make.ts";

/** The conversation, as the script of `shell/src/embedded/chat.tsx` gives it. */
export interface Chat {
  show(shown: boolean): void;
  end(): void;
}

export interface ChatEvents {
  /** The panel is to be hidden. */
  close(): void;
  /** Whose questions are asked in the conversation, so that no card has to. */
  asking(session: { project: string; root: string } | null): void;
}

interface Script {
  talk(host: HTMLElement, room: TandemRoom, events: ChatEvents): Chat;
}

/** Not there, or not for this token: it is not asked again. */
type State = "unknown" | "asking" | "none" | "there";

export class ChatPlace {
  readonly root = make("div", "chat");
  readonly #events: ChatEvents & { there(): void };
  #state: State = "unknown";
  #chat: Chat | null = null;
  #round = 0;

  constructor(events: ChatEvents & { there(): void }) {
    this.#events = events;
    this.root.hidden = true;
  }

  get isThere(): boolean {
    return this.#state === "there";
  }

  /** The panel is open and the room is joined by somebody who may act. */
  want(room: TandemRoom): void {
    if (this.#state !== "unknown") return;
    this.#state = "asking";
    void this.#begin(room, this.#round);
  }

  show(shown: boolean): void {
    this.root.hidden = !shown;
    this.#chat?.show(shown);
  }

  /** Somebody else comes, or nobody. */
  end(): void {
    this.#round += 1;
    this.#chat?.end();
    this.#chat = null;
    this.#state = "unknown";
    this.root.hidden = true;
  }

  async #begin(room: TandemRoom, round: number): Promise<void> {
    let state: State = "none";
    try {
      const agent = roomUrl({ base: room.src, room: room.room }, "/sessions/agent");
      const answer = await fetch(agent, { headers: room.authorization() });
      if (answer.ok) {
        const address = below(room.src, "embed-chat.mjs").href;
        const script = (await import(/* @vite-ignore */ address)) as Script;
        if (round !== this.#round) return;
        this.#chat = script.talk(this.root, room, this.#events);
        state = "there";
      } else if (answer.status >= 500 && answer.status !== 501) state = "unknown";
    } catch {
      // The panel has the rest without it; it is asked for again when it is opened anew.
      state = "unknown";
    }
    if (round !== this.#round) return;
    this.#state = state;
    if (state === "there") this.#events.there();
  }
}
