/**
 * What is wanted of the person: one question for a yes, the oldest, and the
 * requests for help. A page's and an agent's words are shown as theirs.
 */
import {
  type Answer,
  type ApprovalView,
  askedOf,
  type HelpAnswer,
  type HelpRequest,
  type Presence,
  paintOf,
  type RoomView,
  sentenceOf,
  shownText,
  type Texts,
} from "../../core/src/index.ts";
import { button, make } from "./make.ts";

export interface CardActs {
  approve(id: string, answer: Answer): void;
  help(id: number, answer: HelpAnswer): void;
}

/** A card that has just come under a finger is not answered by it. */
const SETTLES_MS = 400;
const LONGEST_NOTE = 500;

export class Cards {
  readonly root = make("div", "cards");
  readonly #acts: CardActs;
  #said = "";

  constructor(acts: CardActs) {
    this.#acts = acts;
    this.root.setAttribute("role", "region");
    this.root.setAttribute("aria-live", "polite");
  }

  show(view: RoomView | null, you: Presence | null, mayAct: boolean, texts: Texts): void {
    const asked = view && mayAct ? askedOf(view) : [];
    const help = view && mayAct ? view.help : [];
    // The same cards stay: somebody may be about to press one.
    const said = JSON.stringify([asked.map(one => one.id), help, you?.id, texts.language]);
    this.root.hidden = asked.length + help.length === 0;
    if (said === this.#said) return;
    this.#said = said;
    this.root.setAttribute("aria-label", texts.cards.label);
    const cards = help.map(one => this.#help(one, you, texts));
    const [front] = asked;
    if (front) cards.push(this.#approval(front, asked.length - 1, texts));
    this.root.replaceChildren(...cards);
  }

  #approval(approval: ApprovalView, more: number, texts: Texts): HTMLElement {
    const words = texts.cards;
    const kind = approval.role === "agent" ? "agent" : "person";
    const card = want(words.wants(approval.name), paintOf({ id: approval.actor, kind }));
    const what = make("p");
    for (const piece of sentenceOf(approval, texts)) {
      what.append(make("span", piece.is === "ours" ? "" : piece.is, piece.text));
    }
    card.append(countdown(approval, texts), what);
    if (approval.why) card.append(make("p", "rest", shownText(approval.why)));
    for (const text of approval.texts) card.append(make("p", "page", shownText(text)));
    if (more > 0) card.append(make("p", "rest", words.more(more)));
    const answer = (given: Answer) => () => this.#acts.approve(approval.id, given);
    const answers = [button("no", words.no, answer({ answer: "deny" }))];
    if (approval.can_be_always) {
      answers.push(button("always", words.always, answer({ answer: "always-for-origin" })));
    }
    answers.push(button("yes", words.yes, answer({ answer: "once" })));
    for (const one of answers) one.disabled = true;
    setTimeout(() => {
      for (const one of answers) one.disabled = false;
    }, SETTLES_MS);
    const row = make("div", "answers");
    row.append(...answers);
    card.append(row);
    return card;
  }

  #help(help: HelpRequest, you: Presence | null, texts: Texts): HTMLElement {
    const words = texts.cards;
    const mine = help.helper !== null && help.helper.id === you?.id;
    const other = help.helper !== null && !mine ? help.helper : null;
    const title = mine
      ? words.helping(help.agent.name)
      : other
        ? words.otherHelps(other.name, help.agent.name)
        : words.asksHelp(help.agent.name);
    const card = want(title, paintOf(help.agent));
    card.append(make("p", "", shownText(help.reason)));
    if (other) return card;
    const note = make("input", "note");
    const say = (kind: HelpAnswer["kind"]) => () => {
      this.#acts.help(help.id, kind === "accept" ? { kind } : { kind, note: note.value.trim() });
    };
    if (mine) {
      // A word to the agent goes with both answers.
      note.maxLength = LONGEST_NOTE;
      note.autocomplete = "off";
      note.placeholder = words.note(help.agent.name);
      note.setAttribute("aria-label", note.placeholder);
      note.addEventListener("keydown", event => {
        if (event.key === "Enter" && !event.isComposing) say("done")();
      });
      card.append(note);
    }
    const row = make("div", "answers");
    row.append(
      button("no", mine ? words.cannot : words.decline, say("decline")),
      mine ? button("yes", words.done, say("done")) : button("yes", words.accept, say("accept")),
    );
    card.append(row);
    return card;
  }
}

/** A thin line that grows shorter; the hour is there for who wants to read it. */
function countdown(approval: ApprovalView, texts: Texts): HTMLElement {
  const line = make("div", "countdown");
  const until = new Date(approval.expires_at).toLocaleTimeString(texts.language, {
    hour: "2-digit",
    minute: "2-digit",
  });
  line.title = texts.cards.until(until);
  const left = make("div");
  left.style.animationDuration = `${Math.max(0, approval.expires_at - Date.now())}ms`;
  line.append(left, make("span", "unseen", line.title));
  return line;
}

/** Folded by its title, as what is asked for may lie below the card. */
function want(title: string, paint: string): HTMLElement {
  const card = make("details", "want");
  card.open = true;
  card.setAttribute("aria-label", title);
  card.style.setProperty("--_actor", paint);
  card.append(make("summary", "", title));
  return card;
}
