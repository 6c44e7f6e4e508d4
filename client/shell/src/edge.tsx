/** The movable edge between the picture and what is beside it. */
import { createSignal, onCleanup } from "solid-js";
import { recall, remember } from "./remembered.ts";

const LEAST = 300;
const USUAL = 400;
/** The picture keeps at least this. */
const PICTURE = 360;
const STEP = 16;
const LONG_STEP = 64;
const MEMORY = "panel.width";

export function createWidth() {
  const most = () => Math.max(LEAST, window.innerWidth - PICTURE);
  const within = (width: number) => Math.round(Math.min(Math.max(width, LEAST), most()));
  const remembered = Number(recall(MEMORY));
  const [wanted, setWanted] = createSignal(remembered >= LEAST ? remembered : USUAL);
  // A window that was made small and large again has the width of before.
  const [limit, setLimit] = createSignal(most());
  const resized = () => setLimit(most());
  window.addEventListener("resize", resized);
  onCleanup(() => window.removeEventListener("resize", resized));
  const set = (width: number) => {
    setWanted(within(width));
    remember(MEMORY, String(within(width)));
  };
  return { width: () => Math.min(wanted(), limit()), most: limit, set, reset: () => set(USUAL) };
}

export type Width = ReturnType<typeof createWidth>;

export function Edge(props: { width: Width }) {
  const key = (event: KeyboardEvent) => {
    const step = event.shiftKey ? LONG_STEP : STEP;
    const width = props.width.width();
    const now =
      event.key === "ArrowLeft"
        ? width + step
        : event.key === "ArrowRight"
          ? width - step
          : event.key === "Home"
            ? props.width.most()
            : event.key === "End"
              ? LEAST
              : null;
    if (now === null) return;
    event.preventDefault();
    props.width.set(now);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a line between texts cannot be moved.
    <div
      class="edge"
      role="separator"
      tabindex="0"
      aria-label="Width of the panel"
      aria-orientation="vertical"
      aria-valuenow={props.width.width()}
      aria-valuemin={LEAST}
      aria-valuemax={props.width.most()}
      title="Drag to make the panel wider or narrower; a double press sets it back"
      onKeyDown={key}
      onDblClick={props.width.reset}
      onPointerDown={event => {
        if (event.button !== 0) return;
        event.preventDefault();
        event.currentTarget.focus();
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={event => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        props.width.set(window.innerWidth - event.clientX);
      }}
    />
  );
}
