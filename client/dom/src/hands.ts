/**
 * What the parts that listen have in common: where they listen, what they may
 * do, and how an input leaves.
 */
import type { InputMessage, Viewport, XY } from "../../core/src/index.ts";

export interface Hands {
  stage: HTMLElement;
  /** Takes the keyboard's focus; unseen. */
  field: HTMLTextAreaElement;
  viewport: Viewport;
  /** Whether input goes to the room; else only the local view moves. */
  mayAct(): boolean;
  send(message: InputMessage): boolean;
  /** A mark for an input that happened at this time, to be echoed. */
  stamp(at: number): number;
  /** Whether a wheel or a finger over the picture is for it, and not for the page around it. */
  takesScroll(): boolean;
  /** The local view has moved. */
  moved(): void;
  error(message: string): void;
  words(): { paste: string };
}

/** A point of the window in the stage. */
export function inStage(stage: HTMLElement, event: { clientX: number; clientY: number }): XY {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}
