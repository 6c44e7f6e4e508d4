/** Beside the picture: who is here, and what agents do. It keeps the last few lines. */
import { type Fact, hostOf, type Presence, paintOf, type Texts } from "../../core/src/index.ts";
import { face } from "./bar.ts";
import { make } from "./make.ts";

/** Lines that are kept; older ones go. */
const MOST_LINES = 50;

export class Panel {
  readonly root = make("aside", "panel");
  readonly #here = make("h2");
  readonly #people = make("ul");
  readonly #happens = make("h2");
  readonly #lines = make("ol");
  readonly #quiet = make("p", "quiet");

  constructor() {
    this.#lines.setAttribute("role", "log");
    this.root.append(this.#here, this.#people, this.#happens, this.#quiet, this.#lines);
  }

  show(shown: readonly Presence[], you: Presence | null, texts: Texts): void {
    this.root.setAttribute("aria-label", texts.panel.label);
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
