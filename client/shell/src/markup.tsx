/** Marks on a still of the picture, for an agent: boxes and lines, each with a word. */
import { createSignal, For, onCleanup, onMount, Show } from "solid-js";
import type { Mark, Size } from "../../core/src/index.ts";
import { AnswerButton } from "./buttons.tsx";
import { Icon } from "./icons.tsx";

/** What one answer may have; the server refuses more. */
const MOST_MARKS = 50;
const MOST_POINTS = 4000;
/** A press that moves less than this, in pixels of the screen, draws nothing. */
const LEAST = 6;

type Point = [number, number];

export function Markup(props: {
  agent: string;
  reason: string;
  picture: string;
  size: Size;
  onSend: (marks: Mark[], note: string) => void;
  onClose: () => void;
}) {
  const [marks, setMarks] = createSignal<Mark[]>([]);
  const [shape, setShape] = createSignal<Mark["shape"]>("box");
  const [draft, setDraft] = createSignal<Mark | null>(null);
  const [note, setNote] = createSignal("");
  const [scale, setScale] = createSignal(1);
  const [chosen, setChosen] = createSignal<number | null>(null);
  let dialog: HTMLDialogElement | undefined;
  let board: SVGSVGElement | undefined;

  onMount(() => {
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>("input[type=radio]")?.focus();
    measure();
    const resized = new ResizeObserver(measure);
    if (board) resized.observe(board);
    onCleanup(() => resized.disconnect());
  });
  /** Pixels of the display to one of the screen. */
  const measure = () => {
    const across = board?.getScreenCTM()?.a;
    if (across) setScale(1 / across);
  };
  const at = (event: PointerEvent): Point => {
    const to = board?.getScreenCTM()?.inverse();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(to);
    const within = (value: number, most: number) => Math.round(Math.min(Math.max(value, 0), most));
    return [within(point.x, props.size.width), within(point.y, props.size.height)];
  };
  const points = () => marks().reduce((sum, mark) => sum + mark.points.length, 0);

  const begin = (event: PointerEvent) => {
    if (event.button !== 0 || draft() || marks().length >= MOST_MARKS) return;
    event.preventDefault();
    board?.setPointerCapture(event.pointerId);
    const point = at(event);
    setDraft({ shape: shape(), points: [point, point], text: "" });
  };
  const move = (event: PointerEvent) => {
    const drawn = draft();
    const first = drawn?.points[0];
    const last = drawn?.points.at(-1);
    if (!drawn || !first || !last) return;
    const point = at(event);
    if (drawn.shape === "box") {
      setDraft({ ...drawn, points: [first, point] });
      return;
    }
    const far = Math.hypot(point[0] - last[0], point[1] - last[1]) >= 3 * scale();
    if (far && points() + drawn.points.length < MOST_POINTS - 2) {
      setDraft({ ...drawn, points: [...drawn.points, point] });
    }
  };
  const end = () => {
    const drawn = draft();
    setDraft(null);
    if (!drawn) return;
    const { width, height } = boxOf(drawn);
    if (Math.max(width, height) >= LEAST * scale()) add(drawn);
  };
  const add = (mark: Mark) => {
    setMarks(all => [...all, mark]);
    dialog?.querySelector<HTMLElement>(".mark:last-child input")?.focus({ preventScroll: true });
  };
  /** For who draws with the keyboard: a box to be moved by arrow keys. */
  const addInTheMiddle = () => {
    const { width, height } = props.size;
    const from: Point = [Math.round(width * 0.4), Math.round(height * 0.4)];
    const to: Point = [Math.round(width * 0.6), Math.round(height * 0.6)];
    setMarks(all => [...all, { shape: "box", points: [from, to], text: "" }]);
    dialog?.querySelector<HTMLElement>(".mark:last-child .mark-number")?.focus();
  };
  const change = (index: number, changed: Partial<Mark>) =>
    setMarks(all => all.map((mark, n) => (n === index ? { ...mark, ...changed } : mark)));
  const remove = (index: number) => setMarks(all => all.filter((_, n) => n !== index));

  const STEPS: Record<string, Point> = {
    ArrowLeft: [-8, 0],
    ArrowRight: [8, 0],
    ArrowUp: [0, -8],
    ArrowDown: [0, 8],
  };
  /** Arrows move a mark; with Shift they move its last corner. */
  const onKey = (event: KeyboardEvent, index: number) => {
    const mark = marks()[index];
    if (!mark) return;
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      remove(index);
      return;
    }
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const { width, height } = props.size;
    const moved = mark.points.map(([x, y], n): Point => {
      if (event.shiftKey && n < mark.points.length - 1) return [x, y];
      const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
      return [within(x + step[0], width), within(y + step[1], height)];
    });
    change(index, { points: moved });
  };

  return (
    <dialog
      class="markup"
      aria-labelledby="markup-title"
      ref={dialog}
      onCancel={event => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <header class="markup-head">
        <h2 id="markup-title">Mark up the page for {props.agent}</h2>
        <button type="button" class="plain" aria-label="Back to the room" onClick={props.onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div class="markup-board">
        <svg
          ref={board}
          viewBox={`0 0 ${props.size.width} ${props.size.height}`}
          onPointerDown={begin}
          onPointerMove={move}
          onPointerUp={end}
          onPointerCancel={() => setDraft(null)}
        >
          <title>A still of the page</title>
          <image href={props.picture} width={props.size.width} height={props.size.height} />
          <For each={[...marks(), ...[draft()].filter(each => each !== null)]}>
            {(mark, index) => (
              <g class="drawn" classList={{ chosen: chosen() === index() }}>
                <path class="under" d={pathOf(mark)} />
                <path class="line" d={pathOf(mark)} />
              </g>
            )}
          </For>
          {/* Above all lines, so that none is crossed out. */}
          <For each={marks()}>
            {(mark, index) => (
              <g class="drawn">
                <circle cx={boxOf(mark).x} cy={boxOf(mark).y} r={10 * scale()} />
                <text x={boxOf(mark).x} y={boxOf(mark).y} font-size={`${12 * scale()}`}>
                  {index() + 1}
                </text>
              </g>
            )}
          </For>
        </svg>
      </div>
      <form
        class="markup-side"
        onSubmit={event => {
          event.preventDefault();
          props.onSend(marks(), note());
        }}
      >
        <p class="markup-reason">{props.reason}</p>
        <div class="markup-tools">
          <fieldset>
            <legend class="unseen">Draw</legend>
            <For each={["box", "line"] as const}>
              {each => (
                <label>
                  <input
                    type="radio"
                    name="shape"
                    checked={shape() === each}
                    onChange={() => setShape(each)}
                  />
                  <span>{each === "box" ? "Box" : "Pen"}</span>
                </label>
              )}
            </For>
          </fieldset>
          <AnswerButton disabled={marks().length >= MOST_MARKS} onClick={addInTheMiddle}>
            Add a box
          </AnswerButton>
        </div>
        <Show
          when={marks().length > 0}
          fallback={<p class="markup-hint">Draw on the picture. Each mark can have a word.</p>}
        >
          <ol class="marks">
            {/* By place: a word that is typed must not make its field anew. */}
            <For each={marks().map((_, index) => index)}>
              {index => (
                <li class="mark">
                  <button
                    type="button"
                    class="mark-number"
                    aria-label={`Mark ${index + 1}. Arrow keys move it, with Shift they size it, Delete removes it.`}
                    onKeyDown={event => onKey(event, index)}
                    onFocus={() => setChosen(index)}
                    onBlur={() => setChosen(null)}
                  >
                    {index + 1}
                  </button>
                  <input
                    class="mark-word"
                    aria-label={`What about mark ${index + 1}`}
                    placeholder="What about it?"
                    maxlength={500}
                    value={marks()[index]?.text ?? ""}
                    onInput={event => change(index, { text: event.currentTarget.value })}
                  />
                  <button
                    type="button"
                    class="plain"
                    aria-label={`Remove mark ${index + 1}`}
                    onClick={() => remove(index)}
                  >
                    <Icon name="close" />
                  </button>
                </li>
              )}
            </For>
          </ol>
        </Show>
        <div class="markup-end">
          <input
            class="help-note"
            aria-label={`A note for ${props.agent}`}
            placeholder={`A note for ${props.agent}`}
            maxlength={500}
            value={note()}
            onInput={event => setNote(event.currentTarget.value)}
          />
          <AnswerButton type="submit" main disabled={marks().length === 0 && !note()}>
            Send
          </AnswerButton>
        </div>
      </form>
    </dialog>
  );
}

function boxOf(mark: Mark): { x: number; y: number; width: number; height: number } {
  const across = mark.points.map(point => point[0]);
  const down = mark.points.map(point => point[1]);
  const [x, y] = [Math.min(...across), Math.min(...down)];
  return { x, y, width: Math.max(...across) - x, height: Math.max(...down) - y };
}

function pathOf(mark: Mark): string {
  if (mark.shape === "line") return `M${mark.points.map(point => point.join(" ")).join("L")}`;
  const { x, y, width, height } = boxOf(mark);
  return `M${x} ${y}h${width}v${height}h${-width}z`;
}
