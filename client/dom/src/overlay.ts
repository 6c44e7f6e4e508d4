/**
 * The others' pointers over the picture, with their names, a ring where they
 * press and a word for what they do. Drawn by the compositor: a glide costs
 * the page nothing.
 */
import { type Placement, type Presence, paintOf, type RoomEvent } from "../../core/src/index.ts";

type PointerView = {
  root: HTMLElement;
  arrow: HTMLElement;
  bubble: HTMLElement;
  at: { x: number; y: number } | null;
  fade: ReturnType<typeof setTimeout> | undefined;
};

/** A person who rests is not shown for ever; an agent's pointer stays where it acted. */
const PERSON_FADES_MS = 8000;
const ARROW = "M1 1 L1 15.5 L5 12 L7.6 18 L10.4 16.8 L7.8 10.9 L13 10.6 Z";

export class Overlay {
  readonly #layer: HTMLElement;
  readonly #pointers = new Map<string, PointerView>();
  readonly #still: MediaQueryList = matchMedia("(prefers-reduced-motion: reduce)");
  #people = new Map<string, Presence>();
  #you: string | null = null;
  #placement: Placement = { left: 0, top: 0, scale: 1 };

  constructor(layer: HTMLElement) {
    this.#layer = layer;
  }

  setPresent(present: readonly Presence[], you: string | null): void {
    this.#you = you;
    this.#people = new Map(present.map(p => [p.id, p]));
    for (const id of [...this.#pointers.keys()]) {
      if (!this.#people.has(id)) this.#remove(id);
    }
  }

  setPlacement(placement: Placement): void {
    this.#placement = placement;
    for (const pointer of this.#pointers.values()) this.#put(pointer, 0);
  }

  /** `late` is how long the news was on its way: the glide must end with the act. */
  handle(event: RoomEvent, late: number): void {
    if (event.kind === "clipboard" || event.actor === this.#you) return;
    const who = this.#people.get(event.actor);
    if (!who) return;
    const pointer = this.#pointers.get(event.actor) ?? this.#add(who);
    switch (event.kind) {
      case "pointer": {
        const first = pointer.at === null;
        pointer.at = { x: event.x, y: event.y };
        this.#put(pointer, first ? 0 : Math.max(0, Math.min(2000, event.ms) - late));
        this.#wake(pointer, who);
        return;
      }
      case "press":
        pointer.at = { x: event.x, y: event.y };
        this.#put(pointer, 0);
        // A glide that this page began late would end after the act: the pointer is there now.
        for (const glide of pointer.root.getAnimations()) glide.finish();
        this.#ring(pointer, who);
        this.#wake(pointer, who);
        return;
      case "doing":
        pointer.bubble.textContent = event.text;
        pointer.bubble.hidden = event.text === "";
        if (!pointer.at && event.text) {
          pointer.at = { x: 24, y: 24 };
          this.#put(pointer, 0);
        }
    }
  }

  clear(): void {
    for (const id of [...this.#pointers.keys()]) this.#remove(id);
  }

  #add(who: Presence): PointerView {
    const root = document.createElement("div");
    root.className = "pointer";
    root.hidden = true;
    root.style.setProperty("--_actor", paintOf(who));
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 16 20");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ARROW);
    svg.append(path);
    const arrow = document.createElement("div");
    arrow.className = "arrow";
    arrow.append(svg);
    const tag = document.createElement("div");
    tag.className = "tag";
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = who.name;
    const bubble = document.createElement("span");
    bubble.className = "bubble";
    bubble.hidden = true;
    tag.append(name, bubble);
    root.append(arrow, tag);
    this.#layer.append(root);
    const pointer: PointerView = { root, arrow, bubble, at: null, fade: undefined };
    this.#pointers.set(who.id, pointer);
    return pointer;
  }

  #put(pointer: PointerView, ms: number): void {
    if (!pointer.at) return;
    const { left, top, scale } = this.#placement;
    const x = left + (pointer.at.x + 0.5) * scale;
    const y = top + (pointer.at.y + 0.5) * scale;
    pointer.root.hidden = false;
    pointer.root.style.transitionDuration = this.#still.matches ? "0ms" : `${Math.round(ms)}ms`;
    pointer.root.style.transform = `translate(${x}px, ${y}px)`;
    // Near the right edge the name goes to the other side, where there is room.
    pointer.root.classList.toggle("leftwards", x > this.#layer.clientWidth - 180);
    pointer.root.classList.toggle("upwards", y > this.#layer.clientHeight - 60);
  }

  #ring(pointer: PointerView, who: Presence): void {
    if (!pointer.at) return;
    const { left, top, scale } = this.#placement;
    const ring = document.createElement("div");
    ring.className = "ring";
    ring.style.setProperty("--_actor", paintOf(who));
    ring.style.left = `${left + (pointer.at.x + 0.5) * scale}px`;
    ring.style.top = `${top + (pointer.at.y + 0.5) * scale}px`;
    const grow: Keyframe[] = this.#still.matches
      ? [{ opacity: 1 }, { opacity: 1, offset: 0.9 }, { opacity: 0 }]
      : [
          { opacity: 1, transform: "translate(-50%, -50%) scale(0.3)" },
          { opacity: 0, transform: "translate(-50%, -50%) scale(1)" },
        ];
    this.#layer.append(ring);
    const animation = ring.animate(grow, { duration: 450, easing: "ease-out" });
    animation.onfinish = () => ring.remove();
    animation.oncancel = () => ring.remove();
  }

  #wake(pointer: PointerView, who: Presence): void {
    pointer.root.classList.remove("faded");
    clearTimeout(pointer.fade);
    if (who.kind === "person") {
      pointer.fade = setTimeout(() => pointer.root.classList.add("faded"), PERSON_FADES_MS);
    }
  }

  #remove(id: string): void {
    const pointer = this.#pointers.get(id);
    if (!pointer) return;
    clearTimeout(pointer.fade);
    pointer.root.remove();
    this.#pointers.delete(id);
  }
}
