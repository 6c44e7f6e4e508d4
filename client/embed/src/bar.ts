/** The slim bar: who is here, who acts, and the one button. It decides nothing. */
import {
  actingOf,
  type FloorAsk,
  initialsOf,
  type Mode,
  mainAsk,
  offersOf,
  type Presence,
  paintOf,
  type RoomView,
  type Texts,
} from "../../core/src/index.ts";
import { button, make, say } from "./make.ts";

/** Faces that are shown before the rest is a number. */
const MOST_FACES = 4;

export interface BarActs {
  ask(ask: FloorAsk): void;
  togglePanel(): void;
}

export interface BarState {
  view: RoomView | null;
  you: Presence | null;
  mayAct: boolean;
  modes: readonly Mode[] | null;
  shown: readonly Presence[];
  panel: boolean;
  texts: Texts;
}

export function face(who: Presence): HTMLElement {
  const made = make("span", `face ${who.kind}`, initialsOf(who.name));
  made.style.setProperty("--_actor", paintOf(who));
  made.setAttribute("aria-hidden", "true");
  return made;
}

export class Bar {
  readonly root = make("div", "bar");
  readonly #faces = make("ul", "faces");
  readonly #acts = make("div", "acts");
  readonly #words = make("span");
  readonly #mode = make("select");
  readonly #alone: HTMLButtonElement;
  readonly #aloneWords = make("span");
  readonly #panels: HTMLButtonElement;
  readonly #main: HTMLButtonElement;
  #state: BarState | null = null;
  #modesSaid = "";
  #facesSaid = "";

  constructor(acts: BarActs) {
    this.root.setAttribute("role", "toolbar");
    this.#acts.setAttribute("role", "status");
    this.#acts.append(this.#words);
    this.#mode.addEventListener("change", () => {
      acts.ask({ kind: "mode", mode: this.#mode.value as Mode });
      if (this.#state) this.show(this.#state);
    });
    this.#alone = button("alone", "", () => {
      const offered = this.#state && this.#offers(this.#state).private;
      if (offered) acts.ask({ kind: "private", on: offered === "begin" });
    });
    this.#alone.innerHTML =
      '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M10.7 5.1a10.7 10.7 0 0 1 11.2 6.5 1 1 0 0 1 0 .7 10.7 10.7 0 0 1-1.4 2.5m-6.4-.6a3 3 0 0 1-4.3-4.3m7.7 7.6A10.7 10.7 0 0 1 2.1 12.3a1 1 0 0 1 0-.7 10.7 10.7 0 0 1 4.4-5.1M2 2l20 20"/></svg>';
    this.#alone.append(this.#aloneWords);
    this.#panels = button("panels", "", () => acts.togglePanel());
    this.#panels.innerHTML =
      '<svg viewBox="0 0 24 24" aria-hidden="true"><rect x="3" y="4" width="18" height="16" rx="2"/><path d="M15 4v16"/></svg>';
    this.#main = button("main", "", () => {
      const ask = this.#state && mainAsk(this.#offers(this.#state));
      if (ask) acts.ask(ask);
    });
    this.root.append(this.#faces, this.#acts, this.#mode, this.#alone, this.#panels, this.#main);
  }

  /** Where the keyboard goes that leaves the picture. */
  focus(): boolean {
    const target = this.#main.hidden ? this.#panels : this.#main;
    target.focus();
    return !this.root.hidden;
  }

  show(state: BarState): void {
    this.#state = state;
    const { view, you, texts } = state;
    this.root.setAttribute("aria-label", texts.bar.label);
    const { words, who } = actingOf(view, you?.id ?? null, texts);
    const idle = state.mayAct ? texts.bar.nobody : texts.bar.watching;
    say(this.#words, view ? words || idle : "");
    this.#acts.classList.toggle("nobody", who === null);
    if (who) this.#acts.style.setProperty("--_actor", paintOf(who));
    this.#showFaces(state);
    this.#showModes(state);
    const { main, private: alone } = this.#offers(state);
    this.#alone.hidden = alone === null;
    this.#alone.setAttribute("aria-pressed", String(alone === "end"));
    this.#alone.title = alone === "end" ? texts.bar.endPrivate : texts.bar.beginPrivate;
    say(this.#aloneWords, texts.bar.private);
    this.#main.hidden = main === null || !view;
    this.#main.dataset.does = main ?? "";
    say(this.#main, main === "hand-back" ? texts.bar.handBack : texts.bar.takeOver);
    this.#panels.hidden = !view;
    const label = state.panel ? texts.bar.hidePanel : texts.bar.showPanel;
    this.#panels.setAttribute("aria-label", label);
    this.#panels.title = label;
    this.#panels.setAttribute("aria-pressed", String(state.panel));
  }

  #offers({ view, you, mayAct }: BarState) {
    return offersOf(view, you, mayAct);
  }

  #showFaces({ shown, you, texts }: BarState): void {
    const said = JSON.stringify([shown, texts.language]);
    if (said === this.#facesSaid) return;
    this.#facesSaid = said;
    this.#faces.setAttribute("aria-label", texts.bar.people);
    const first = shown.slice(0, shown.length > MOST_FACES ? MOST_FACES - 1 : MOST_FACES);
    const items = first.map(who => {
      const item = make("li");
      item.title = who.id === you?.id ? texts.bar.you(who.name) : who.name;
      item.setAttribute("aria-label", item.title);
      item.append(face(who));
      return item;
    });
    const more = shown.length - first.length;
    if (more > 0) {
      const rest = make("li");
      rest.setAttribute("aria-label", texts.bar.more(more));
      rest.append(make("span", "face rest", `+${more}`));
      items.push(rest);
    }
    this.#faces.replaceChildren(...items);
  }

  #showModes(state: BarState): void {
    const { view, modes, texts } = state;
    const now = view?.floor.mode;
    const others = this.#offers(state).modes.filter(mode => modes?.includes(mode) ?? true);
    this.#mode.hidden = !now || others.length === 0;
    if (!now || this.#mode.hidden) return;
    const said = [texts.language, now, ...others].join();
    if (said !== this.#modesSaid) {
      this.#modesSaid = said;
      this.#mode.replaceChildren(
        ...[now, ...others].map(mode => {
          const option = make("option", "", texts.floor.modes[mode].name);
          option.value = mode;
          option.title = texts.floor.modes[mode].line;
          return option;
        }),
      );
      this.#mode.setAttribute("aria-label", texts.bar.mode);
    }
    this.#mode.value = now;
    this.#mode.title = texts.floor.modes[now].line;
  }
}
