/**
 * What the page around an embedded room is told: facts made from one view of
 * the room after the other. It owns no text for people and reads no clock.
 */
import { askedOf, sayPieces, sentenceOf } from "./approvals.ts";
import type { Mode, PageView, Presence, RoomEvent, RoomView, Settled } from "./protocol.ts";
import type { Texts } from "./texts/index.ts";

export interface Somebody {
  id: string;
  name: string;
  kind: "person" | "agent";
}

export interface FloorFact {
  mode: Mode;
  /** Who acts now. */
  holder: Somebody | null;
  /** Who has it for themselves until they hand back. */
  takeover: Somebody | null;
  turn: Somebody | null;
  requests: Somebody[];
  /** Who is alone with the page: agents and viewers see nothing of it meanwhile. */
  private: Somebody | null;
  /** Names of agents that wait. */
  waiting: string[];
}

export type ApprovalFact =
  | {
      status: "asked";
      id: string;
      agent: Somebody;
      tool: string;
      /** In the language of the embedded room. */
      sentence: string;
      places: string[];
      /** Milliseconds since 1970. */
      expiresAt: number;
    }
  | { status: "settled"; id: string; how: Settled["is"]; answer: string | null };

export interface HelpFact {
  id: number;
  agent: Somebody;
  reason: string;
  task: "act" | "annotate";
}

export type AgentFact = Somebody & { status: "joined" | "left" | "doing"; text: string };

export type Fact =
  | { event: "floor"; detail: FloorFact }
  | { event: "navigated"; detail: PageView }
  | { event: "approval"; detail: ApprovalFact }
  | { event: "help-requested"; detail: HelpFact }
  | { event: "agent"; detail: AgentFact };

/** Words of an agent or a page are cut to this. */
const LONGEST = 500;

const cut = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
const somebody = ({ id, name, kind }: Presence): Somebody => ({ id, name, kind });
const orNobody = (who: Presence | null): Somebody | null => (who ? somebody(who) : null);

export class Facts {
  #floor = "";
  #page = "";
  #asked: ReadonlySet<string> = new Set();
  #helps: ReadonlySet<number> = new Set();
  #agents: ReadonlyMap<string, Presence> = new Map();

  /** What is new in this view. The first one tells of all that is. */
  handleView(view: RoomView, texts: Texts): Fact[] {
    const facts: Fact[] = [];
    const floor: FloorFact = {
      mode: view.floor.mode,
      holder: orNobody(view.holder),
      takeover: orNobody(view.floor.takeover),
      turn: orNobody(view.floor.turn),
      requests: view.floor.requests.map(somebody),
      private: orNobody(view.private?.by ?? null),
      waiting: [...view.waiting],
    };
    const said = JSON.stringify(floor);
    if (said !== this.#floor) facts.push({ event: "floor", detail: floor });
    this.#floor = said;

    const page = view.page ? { title: cut(view.page.title), url: view.page.url } : null;
    const shown = JSON.stringify(page);
    if (page && shown !== this.#page) facts.push({ event: "navigated", detail: page });
    this.#page = shown;

    const agents = new Map(view.present.filter(p => p.kind === "agent").map(p => [p.id, p]));
    for (const [id, who] of agents) {
      if (!this.#agents.has(id)) facts.push(agent(who, "joined"));
    }
    for (const [id, who] of this.#agents) {
      if (!agents.has(id)) facts.push(agent(who, "left"));
    }
    this.#agents = agents;

    const asked = askedOf(view);
    for (const one of asked) {
      if (this.#asked.has(one.id)) continue;
      const kind = one.role === "agent" ? "agent" : "person";
      facts.push({
        event: "approval",
        detail: {
          status: "asked",
          id: one.id,
          agent: { id: one.actor, name: one.name, kind },
          tool: one.tool,
          sentence: cut(sayPieces(sentenceOf(one, texts), texts)),
          places: one.places.map(cut),
          expiresAt: one.expires_at,
        },
      });
    }
    this.#asked = new Set(asked.map(one => one.id));

    for (const { id, agent: who, reason, task } of view.help) {
      if (this.#helps.has(id)) continue;
      const detail = { id, agent: somebody(who), reason: cut(reason), task };
      facts.push({ event: "help-requested", detail });
    }
    this.#helps = new Set(view.help.map(help => help.id));
    return facts;
  }

  handleEvent(event: RoomEvent): Fact | null {
    switch (event.kind) {
      case "doing": {
        const who = this.#agents.get(event.actor);
        return who && event.text !== "" ? agent(who, "doing", event.text) : null;
      }
      case "settled": {
        const { id, how } = event;
        const answer = how.is === "answered" ? how.answered.answer.answer : null;
        return { event: "approval", detail: { status: "settled", id, how: how.is, answer } };
      }
      default:
        return null;
    }
  }

  /** Another connection: all is told anew. */
  handleEnd(): void {
    this.#floor = "";
    this.#page = "";
    this.#asked = new Set();
    this.#helps = new Set();
    this.#agents = new Map();
  }
}

const agent = (who: Presence, status: AgentFact["status"], text = ""): Fact => ({
  event: "agent",
  detail: { ...somebody(who), status, text: cut(text) },
});
