/**
 * Beside the picture: the conversation with the room's agent, where there is
 * one; or who is here, and what agents do. It keeps the last few lines.
 */
import { type Fact, hostOf, type Presence, paintOf, type Texts } from "../../core/src/index.ts";
import { face } from "./bar.ts";
import { button, make, say } from "./make.ts";

/** Lines that are kept; older ones go. */
const MOST_LINES = 50;

export class Panel {
  readonly root = make("aside", "panel");
  readonly #tabs = make("div", "views");
  readonly #talk: HTMLButtonElement;
  readonly #look: HTMLButtonElement;
  readonly #room = make("div", "room-view");
  #chosen: "talk" | "look" = "talk";
  #there = false;
  readonly #here = make("h2");
  readonly #people = make("ul");
  readonly #happens = make("h2");
  readonly #lines = make("ol");
  readonly #quiet = make("p", "quiet");

  /** `chat` is where the conversation stands; `changed` is told when another view is chosen. */
  constructor(chat: HTMLElement, changed: () => void) {
    const choose = (view: "talk" | "look") => () => {
      this.#chosen = view;
      changed();
    };
    this.#talk = button("", "", choose("talk"));
    this.#look = button("", "", choose("look"));
    this.#tabs.setAttribute("role", "group");
    this.#tabs.append(this.#talk, this.#look);
    this.#lines.setAttribute("role", "log");
    this.#room.append(this.#here, this.#people, this.#happens, this.#quiet, this.#lines);
    this.root.append(this.#tabs, this.#room, chat);
  }

  /** Whether the conversation is what it shows. */
  get talks(): boolean {
    return this.#there && this.#chosen === "talk";
  }

  show(shown: readonly Presence[], you: Presence | null, texts: Texts, chatIsThere: boolean): void {
    this.#there = chatIsThere;
    this.root.setAttribute("aria-label", texts.panel.label);
    this.#tabs.setAttribute("aria-label", texts.panel.views);
    this.#tabs.hidden = !chatIsThere;
    say(this.#talk, texts.panel.talk);
    say(this.#look, texts.panel.look);
    this.#talk.setAttribute("aria-pressed", String(this.talks));
    this.#look.setAttribute("aria-pressed", String(!this.talks));
    this.root.classList.toggle("talks", chatIsThere);
    this.#room.hidden = this.talks;
    this.#here.textContent = texts.panel.here;
    this.#happens.textContent = texts.panel.happens;
    this.#quiet.textContent = texts.panel.quiet;
    this.#quiet.hidden = this.#lines.childElementCount > 0;
    this.#people.replaceChildren(
      ...shown.map(who => {
        const item = make("li", "who");
        const name = who.id === you?.id ? texts.bar.you(who.name) : who.name;
        item.append(face(who), make("span", "", name), make("small", "", texts.panel[who.kind]));
        return item;
      }),
    );
  }

  handle(fact: Fact, shown: readonly Presence[], texts: Texts): void {
    if (fact.event === "agent") {
      const { id, name, status, text } = fact.detail;
      const who = shown.find(each => each.id === id);
      if (status !== "left" && !who) return;
      if (status === "doing") this.#add(name, text, who ?? null);
      else this.#add("", texts.panel[status](name), who ?? null);
    } else if (fact.event === "navigated" && /^https?:/.test(fact.detail.url)) {
      this.#add("", texts.panel.went(hostOf(fact.detail.url)), null);
    }
  }

  clear(): void {
    this.#lines.replaceChildren();
  }

  #add(name: string, text: string, who: Presence | null): void {
    const line = make("li", "happened");
    if (who) line.style.setProperty("--_actor", paintOf(who));
    if (name) line.append(make("b", "", name), " ");
    line.append(text);
    const last = this.#lines.firstElementChild;
    if (last?.textContent === line.textContent) return;
    this.#lines.prepend(line);
    if (this.#lines.childElementCount > MOST_LINES) this.#lines.lastElementChild?.remove();
    this.#quiet.hidden = true;
  }
}
