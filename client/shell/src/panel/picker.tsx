/**
 * Over the picture: which element of the page is meant. One press asks what
 * lies there; it is shown, with its outline, before it goes anywhere. Arrow
 * keys do it without a mouse, Escape leaves.
 */
import { createSignal, onCleanup, onMount, Show } from "solid-js";
import { Portal } from "solid-js/web";
import { shownText } from "../../../core/src/approvals.ts";
import type { Picked } from "../../../core/src/protocol.ts";
import { pickAt } from "../../../dom/src/pick.ts";
import type { TandemRoom } from "../../../element/src/index.ts";
import { AnswerButton } from "../buttons.tsx";

const STEP = 8;
const LONG_STEP = 64;

export function Picker(props: {
  room: TandemRoom;
  /** Null when they left without one. */
  onPicked: (picked: Picked | null) => void;
}) {
  let layer: HTMLButtonElement | undefined;
  let put: HTMLButtonElement | undefined;
  const area = () => props.room.getBoundingClientRect();
  const { width, height } = area();
  const [at, setAt] = createSignal({ x: width / 2, y: height / 2 });
  const [looking, setLooking] = createSignal(false);
  const [picked, setPicked] = createSignal<Picked | null>(null);
  const [trouble, setTrouble] = createSignal("");
  onMount(() => layer?.focus());
  // A picture of another size puts the outline in another place.
  const [size, setSize] = createSignal(0);
  const resized = new ResizeObserver(() => setSize(n => n + 1));
  resized.observe(props.room);
  onCleanup(() => resized.disconnect());

  /** Of several presses the last one counts. */
  let asked = 0;
  onCleanup(() => {
    asked = -1;
  });
  const pick = async (x: number, y: number) => {
    const place = props.room.displayAt(x, y);
    if (!place) {
      props.onPicked(null);
      return;
    }
    asked += 1;
    const mine = asked;
    setPicked(null);
    setTrouble("");
    setLooking(true);
    try {
      const found = await pickAt(props.room.src, props.room.room, place);
      if (mine !== asked) return;
      setPicked(found);
      put?.focus();
    } catch (error) {
      if (mine !== asked) return;
      setTrouble(error instanceof Error ? error.message : "It could not be read. Pick it again.");
    } finally {
      if (mine === asked) setLooking(false);
    }
  };
  const key = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === "Escape") {
      event.preventDefault();
      props.onPicked(null);
      return;
    }
    const step = event.shiftKey ? LONG_STEP : STEP;
    const by: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const [dx, dy] = by[event.key] ?? [0, 0];
    if (dx === 0 && dy === 0) return;
    event.preventDefault();
    // From what was found on to another one.
    layer?.focus();
    const { width, height } = area();
    const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    setAt(({ x, y }) => ({ x: within(x + dx, width), y: within(y + dy, height) }));
  };
  const outline = () => {
    size();
    const box = picked()?.box;
    const from = box && props.room.clientAt(box.x, box.y);
    const to = box && props.room.clientAt(box.x + box.width, box.y + box.height);
    if (!from || !to) return null;
    const { left, top } = area();
    return {
      left: `${from.x - left}px`,
      top: `${from.y - top}px`,
      width: `${to.x - from.x}px`,
      height: `${to.y - from.y}px`,
    };
  };
  const hint = () => {
    if (trouble()) return trouble();
    if (looking()) return "Looking";
    return matchMedia("(pointer: coarse)").matches
      ? "Tap an element. A tap beside the picture leaves."
      : "Pick an element. Escape leaves.";
  };
  return (
    <Portal mount={props.room.parentElement ?? document.body}>
      <section class="picker" aria-label="Pick an element" onKeyDown={key}>
        <button
          type="button"
          class="picker-layer"
          ref={layer}
          aria-label="Pick an element of the page. Arrow keys move, Enter picks, Escape leaves."
          onPointerMove={event => {
            const { left, top } = area();
            setAt({ x: event.clientX - left, y: event.clientY - top });
          }}
          onClick={event => {
            const { left, top } = area();
            // A press of Enter has no place of its own.
            const byKey = event.detail === 0;
            void pick(byKey ? left + at().x : event.clientX, byKey ? top + at().y : event.clientY);
          }}
        >
          <span class="picker-cross" style={{ translate: `${at().x}px ${at().y}px` }} />
        </button>
        <Show when={outline()}>{box => <div class="picker-box" style={box()} />}</Show>
        <Show
          when={picked()}
          fallback={
            <p class="picker-hint" role="status" classList={{ wrong: trouble() !== "" }}>
              {hint()}
            </p>
          }
        >
          {found => (
            <div class="picker-found" role="status">
              <p class="what">
                <span class="picker-role">{found().role}</span>
                <Show when={found().name || found().text}>
                  {words => <bdi class="page-words">{shownText(words().slice(0, 120))}</bdi>}
                </Show>
              </p>
              <code>{found().locator}</code>
              <div class="ask-answers">
                <AnswerButton onClick={() => props.onPicked(null)}>Leave</AnswerButton>
                <span class="gap" />
                <AnswerButton
                  main
                  ref={element => {
                    put = element;
                    queueMicrotask(() => element.focus());
                  }}
                  onClick={() => props.onPicked(found())}
                >
                  Put it into the message
                </AnswerButton>
              </div>
            </div>
          )}
        </Show>
      </section>
    </Portal>
  );
}
