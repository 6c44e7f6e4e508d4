/** Over the picture, for one press: which element is meant. Arrow keys do it without a mouse. */
import { createSignal, onCleanup, onMount } from "solid-js";
import { Portal } from "solid-js/web";
import type { TandemRoom } from "../../../element/src/index.ts";

const STEP = 8;
const LONG_STEP = 64;

export function Picker(props: {
  room: TandemRoom;
  onPick: (at: { x: number; y: number }) => void;
  onCancel: () => void;
}) {
  let layer: HTMLButtonElement | undefined;
  const box = props.room.getBoundingClientRect();
  const [at, setAt] = createSignal({ x: box.width / 2, y: box.height / 2 });
  onMount(() => {
    const before = document.activeElement;
    layer?.focus();
    onCleanup(() => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    });
  });
  const pick = (x: number, y: number) => {
    const place = props.room.displayAt(x, y);
    if (place) props.onPick(place);
    else props.onCancel();
  };
  const key = (event: KeyboardEvent) => {
    const step = event.shiftKey ? LONG_STEP : STEP;
    const [dx, dy] =
      event.key === "ArrowLeft"
        ? [-step, 0]
        : event.key === "ArrowRight"
          ? [step, 0]
          : event.key === "ArrowUp"
            ? [0, -step]
            : event.key === "ArrowDown"
              ? [0, step]
              : [0, 0];
    event.stopPropagation();
    if (event.key === "Escape") props.onCancel();
    if (dx === 0 && dy === 0) return;
    event.preventDefault();
    const area = props.room.getBoundingClientRect();
    const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    setAt(({ x, y }) => ({ x: within(x + dx, area.width), y: within(y + dy, area.height) }));
  };
  return (
    <Portal mount={props.room.parentElement ?? document.body}>
      <button
        type="button"
        class="picker"
        ref={layer}
        aria-label="Pick an element of the page. Arrow keys move, Enter picks, Escape leaves."
        onKeyDown={key}
        onPointerMove={event => {
          const area = props.room.getBoundingClientRect();
          setAt({ x: event.clientX - area.left, y: event.clientY - area.top });
        }}
        onClick={event => {
          const area = props.room.getBoundingClientRect();
          // A press of Enter has no place of its own.
          const byKey = event.detail === 0;
          pick(
            byKey ? area.left + at().x : event.clientX,
            byKey ? area.top + at().y : event.clientY,
          );
        }}
      >
        <span class="picker-cross" style={{ translate: `${at().x}px ${at().y}px` }} />
        <span class="picker-hint">
          {matchMedia("(pointer: coarse)").matches
            ? "Tap an element. A tap beside the picture leaves."
            : "Pick an element. Escape leaves."}
        </span>
      </button>
    </Portal>
  );
}
