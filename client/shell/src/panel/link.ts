/**
 * Where the updates of sessions come from: the room's own socket, which is
 * there anyway; or, where that does not tell of them, a stream of its own.
 */
import type { Update } from "../../../core/src/sessions-model.ts";
import { type LinkEvents, SessionsLink } from "../../../dom/src/sessions-link.ts";
import type { TandemRoom, TandemRoomEventMap } from "../../../element/src/index.ts";

/** The socket says at once where it is; when it says nothing so long, the other way is taken. */
const SAYS_WITHIN_MS = 6000;
/** What has ended is asked for again after so long. */
const AGAIN_AFTER_MS = 1000;

export class RoomLink {
  readonly #room: TandemRoom;
  readonly #project: string;
  readonly #events: LinkEvents;
  readonly #stream: SessionsLink;
  #place: string | null = null;
  #open = false;
  #running = false;
  #streams = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(room: TandemRoom, project: string, stream: URL, events: LinkEvents) {
    this.#room = room;
    this.#project = project;
    this.#events = events;
    this.#stream = new SessionsLink(stream, events, () => room.authorization());
  }

  start(): void {
    if (this.#streams) {
      this.#stream.start();
      return;
    }
    this.stop();
    this.#running = true;
    this.#room.addEventListener("session", this.#told);
    this.#room.addEventListener("state", this.#changed);
    this.#room.followSessions(true, this.#project, this.#place);
    this.#expect();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stream.stop();
    if (this.#running) this.#room.followSessions(false, this.#project);
    this.#running = false;
    this.#open = false;
    this.#room.removeEventListener("session", this.#told);
    this.#room.removeEventListener("state", this.#changed);
  }

  readonly #told = ({ detail: { project, id, update } }: TandemRoomEventMap["session"]) => {
    if (project !== this.#project) return;
    clearTimeout(this.#timer);
    if (id === "") {
      this.#ended();
      return;
    }
    this.#place = id;
    if (!this.#open) {
      this.#open = true;
      this.#events.open();
    }
    this.#events.update(update as Update, id);
  };

  /** What was followed is no more, such as with an agent that was set up anew: what is there now is. */
  #ended(): void {
    this.#place = null;
    if (this.#open) this.#events.lost(null);
    this.#open = false;
    this.#timer = setTimeout(() => {
      if (!this.#isJoined()) return;
      // It has no place from before: all is read anew.
      this.#room.followSessions(true, this.#project, "");
      this.#expect();
    }, AGAIN_AFTER_MS);
  }

  readonly #changed = () => {
    if (this.#isJoined()) {
      if (!this.#open) this.#expect();
      return;
    }
    clearTimeout(this.#timer);
    if (!this.#open) return;
    // It asks again by itself, from where it was.
    this.#open = false;
    this.#events.lost(null);
  };

  #isJoined(): boolean {
    const { name } = this.#room.state;
    return name === "joined" || name === "live";
  }

  #expect(): void {
    clearTimeout(this.#timer);
    if (!this.#isJoined()) return;
    this.#timer = setTimeout(() => {
      this.stop();
      this.#streams = true;
      this.#stream.start();
    }, SAYS_WITHIN_MS);
  }
}
