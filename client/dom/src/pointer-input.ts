/**
 * Mouse, pen and fingers. A mouse goes through as it is; fingers go through
 * the gestures of the core. Buttons are compared with what is held after each
 * event, so a release that was missed is made good by the next move.
 */
import {
  type Button,
  Gestures,
  MoveThrottle,
  type TouchAct,
  Wheel,
  type XY,
} from "../../core/src/index.ts";
import { type Hands, inStage } from "./hands.ts";
import { Alarm, Listeners } from "./listeners.ts";

/** The bits of `PointerEvent.buttons`, and our names for them. */
const BUTTONS: readonly (readonly [bit: number, button: Button])[] = [
  [1, 0],
  [2, 2],
  [4, 1],
  [8, 3],
  [16, 4],
];
/** So near an edge, in CSS pixels, a picture that does not fit is pulled along. */
const EDGE = 36;
const EDGE_SPEED = 14;
/** A tap may wander so far, in CSS pixels. */
const TAP_SLOP = 10;

export class PointerInput {
  readonly #hands: Hands;
  readonly #listeners = new Listeners();
  readonly #moves = new MoveThrottle();
  readonly #wheel = new Wheel();
  readonly #gestures = new Gestures();
  readonly #moveAlarm = new Alarm(() => this.#sendMove(this.#moves.handleTick(performance.now())));
  readonly #touchAlarm = new Alarm(() => this.#touch(this.#gestures.handleTick(performance.now())));
  #held = 0;
  #seq = 0;
  /** A finger that has come down on a picture that does not take it yet. */
  #tap: { id: number; at: XY } | null = null;
  #edge: { dx: number; dy: number } | null = null;
  #grab: XY | null = null;
  #frame = 0;

  constructor(hands: Hands) {
    this.#hands = hands;
  }

  start(): void {
    const { stage } = this.#hands;
    const on = this.#listeners;
    on.on(stage, "pointerdown", event => this.#down(event));
    on.on(stage, "pointermove", event => this.#move(event));
    // Moves come with the frames of this page; the raw ones do not wait for it.
    if ("onpointerrawupdate" in stage) {
      on.on(stage, "pointerrawupdate" as "pointermove", event => this.#raw(event));
    }
    on.on(stage, "pointerup", event => this.#up(event));
    on.on(stage, "pointercancel", event => this.#cancel(event));
    on.on(stage, "pointerleave", () => {
      this.#edge = null;
    });
    on.on(stage, "wheel", event => this.#scroll(event), { passive: false });
    const prevent = (event: Event) => event.preventDefault();
    // The context menu is the remote one; back and forward are the remote ones too.
    for (const type of ["contextmenu", "dragstart", "auxclick", "selectstart"]) {
      on.on(stage, type, prevent);
    }
    for (const type of ["mousedown", "mouseup"]) on.on(stage, type, prevent);
    on.add(() => cancelAnimationFrame(this.#frame));
    on.add(() => this.#moveAlarm.set(Number.POSITIVE_INFINITY));
    on.add(() => this.#touchAlarm.set(Number.POSITIVE_INFINITY));
  }

  stop(): void {
    this.releaseAll();
    this.#listeners.stop();
  }

  get holdsAny(): boolean {
    return this.#held !== 0;
  }

  /** Forgets what is held; the caller tells the server. */
  releaseAll(): void {
    this.#held = 0;
    this.#gestures.handleCancel();
    this.#moves.handleAct();
    this.#wheel.handleReset();
    this.#edge = null;
    this.#grab = null;
  }

  #down(event: PointerEvent): void {
    const { stage, field, viewport } = this.#hands;
    if (event.pointerType === "touch" && !this.#hands.takesScroll()) {
      // It may be the begin of a scroll of the page around it: only a tap gets in.
      const { clientX: x, clientY: y, pointerId: id } = event;
      this.#tap = event.isPrimary ? { id, at: { x, y } } : null;
      return;
    }
    // A finger must not come again as a mouse. A mouse itself is refused at
    // `mousedown`: only there does it also keep the focus, for each button of a chord.
    if (event.pointerType === "touch") event.preventDefault();
    const at = inStage(stage, event);
    // Not for synthetic events, whose pointer the browser does not know.
    if (event.isTrusted) stage.setPointerCapture(event.pointerId);
    if (this.#hands.mayAct()) {
      field.style.transform = `translate(${at.x}px, ${at.y}px)`;
      field.focus({ preventScroll: true });
    }
    if (event.pointerType === "touch") {
      this.#grab = at;
      this.#touch(this.#gestures.handleDown(event.timeStamp, event.pointerId, at));
    } else if (!this.#hands.mayAct()) {
      this.#grab = at;
    } else if (viewport.contains(at)) {
      this.#buttons(event, at);
    }
  }

  #move(event: PointerEvent): void {
    if (event.pointerId === this.#tap?.id) return;
    const at = inStage(this.#hands.stage, event);
    if (event.pointerType === "touch") {
      this.#touch(this.#gestures.handleMove(event.timeStamp, event.pointerId, at));
      return;
    }
    if (!this.#hands.mayAct()) {
      this.#drag(at);
      return;
    }
    // A second button of a chord comes as a move.
    if (event.buttons !== this.#held && (this.#held !== 0 || this.#hands.viewport.contains(at))) {
      this.#buttons(event, at);
    }
    this.#moveTo(at);
    this.#pullAt(at);
  }

  #raw(event: PointerEvent): void {
    if (event.pointerType === "touch" || !this.#hands.mayAct()) return;
    this.#moveTo(inStage(this.#hands.stage, event));
  }

  #up(event: PointerEvent): void {
    if (this.#tap && event.pointerId === this.#tap.id) {
      const { x, y } = this.#tap.at;
      this.#tap = null;
      const still = Math.hypot(event.clientX - x, event.clientY - y) < TAP_SLOP;
      if (still && this.#hands.mayAct()) this.#hands.field.focus({ preventScroll: true });
      return;
    }
    this.#grab = null;
    if (event.pointerType === "touch") {
      this.#touch(this.#gestures.handleUp(event.timeStamp, event.pointerId));
      return;
    }
    this.#buttons(event, inStage(this.#hands.stage, event));
  }

  #cancel(event: PointerEvent): void {
    if (event.pointerId === this.#tap?.id) {
      this.#tap = null;
      return;
    }
    this.#grab = null;
    if (event.pointerType === "touch") {
      this.#touch(this.#gestures.handleCancel());
    } else {
      this.#setButtons(0, inStage(this.#hands.stage, event), event.timeStamp);
    }
  }

  #buttons(event: PointerEvent, at: XY): void {
    this.#setButtons(event.buttons, at, event.timeStamp);
  }

  #setButtons(buttons: number, at: XY, when: number): void {
    const changed = buttons ^ this.#held;
    for (const [bit, button] of BUTTONS) {
      if (changed & bit) this.#press(at, button, (buttons & bit) !== 0, when);
    }
    this.#held = buttons;
  }

  #press(at: XY, button: Button, down: boolean, when: number): void {
    if (!this.#hands.mayAct()) return;
    this.#moves.handleAct();
    const { x, y } = this.#hands.viewport.toDisplay(at);
    const stamp = down ? this.#hands.stamp(when) : 0;
    this.#hands.send({ kind: "button", stamp, x, y, button, down });
  }

  #moveTo(at: XY): void {
    this.#sendMove(this.#moves.handle(performance.now(), at));
  }

  #sendMove(at: XY | null): void {
    if (at && this.#hands.mayAct()) {
      this.#seq = (this.#seq + 1) >>> 0;
      const { x, y } = this.#hands.viewport.toDisplay(at);
      this.#hands.send({ kind: "move", seq: this.#seq, stamp: 0, x, y });
    }
    this.#moveAlarm.set(this.#moves.pollTimeout());
  }

  #scroll(event: WheelEvent): void {
    const { viewport, stage } = this.#hands;
    // What is not taken scrolls the page around it.
    if (!this.#hands.takesScroll()) return;
    event.preventDefault();
    const at = inStage(stage, event);
    if (!this.#hands.mayAct()) {
      // A pinch on a trackpad comes as a wheel with Control.
      if (event.ctrlKey) viewport.zoomBy(Math.exp(-event.deltaY / 100), at);
      else viewport.pan(-event.deltaX, -event.deltaY);
      this.#hands.moved();
      return;
    }
    if (!viewport.contains(at)) return;
    // With Shift some systems turn the wheel themselves, some leave it to the page.
    this.#turn(at, event.deltaX, event.deltaY, event.deltaMode, event.timeStamp);
  }

  #turn(at: XY, deltaX: number, deltaY: number, mode: number, when: number): void {
    const deltas = this.#wheel.handle(deltaX, deltaY, mode);
    if (!deltas) return;
    const { x, y } = this.#hands.viewport.toDisplay(at);
    this.#hands.send({ kind: "wheel", stamp: this.#hands.stamp(when), x, y, ...deltas });
  }

  #touch(acts: TouchAct[]): void {
    const { viewport } = this.#hands;
    for (const act of acts) {
      switch (act.do) {
        case "move":
          if (this.#hands.mayAct()) this.#moveTo(act.at);
          else this.#drag(act.at);
          break;
        case "press":
          this.#press(act.at, act.button, true, performance.now());
          break;
        case "release":
          this.#press(act.at, act.button, false, performance.now());
          break;
        case "scroll":
          if (this.#hands.mayAct() && viewport.zoom === 1) {
            // A finger's way on the glass, in pixels of the page under it.
            const scale = viewport.placement().scale || 1;
            this.#turn(act.at, act.dx / scale, act.dy / scale, 0, performance.now());
          } else {
            viewport.pan(-act.dx, -act.dy);
            this.#hands.moved();
          }
          break;
        case "zoom":
          viewport.zoomBy(act.factor, act.at);
          this.#hands.moved();
          break;
        case "pan":
          viewport.pan(act.dx, act.dy);
          this.#hands.moved();
      }
    }
    this.#touchAlarm.set(this.#gestures.pollTimeout());
  }

  /** Somebody who only watches may still look around in a picture that does not fit. */
  #drag(at: XY): void {
    if (this.#grab) {
      this.#hands.viewport.pan(at.x - this.#grab.x, at.y - this.#grab.y);
      this.#hands.moved();
      this.#grab = at;
    }
  }

  #pullAt(at: XY): void {
    const { stage, viewport } = this.#hands;
    if (!viewport.overflows) {
      this.#edge = null;
      return;
    }
    const pull = (place: number, extent: number): number => {
      if (place < EDGE) return EDGE_SPEED * (1 - Math.max(0, place) / EDGE);
      if (place > extent - EDGE) return -EDGE_SPEED * (1 - Math.max(0, extent - place) / EDGE);
      return 0;
    };
    const dx = pull(at.x, stage.clientWidth);
    const dy = pull(at.y, stage.clientHeight);
    const idle = this.#edge === null;
    this.#edge = dx !== 0 || dy !== 0 ? { dx, dy } : null;
    if (this.#edge && idle) this.#frame = requestAnimationFrame(() => this.#pull());
  }

  #pull(): void {
    if (!this.#edge) return;
    this.#hands.viewport.pan(this.#edge.dx, this.#edge.dy);
    this.#hands.moved();
    this.#frame = requestAnimationFrame(() => this.#pull());
  }
}
