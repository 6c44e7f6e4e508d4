/**
 * The messages of a session, of which only those near what is seen are drawn:
 * they stand in blocks, and a block out of sight is an empty box of its height.
 */
import {
  createEffect,
  createMemo,
  createSignal,
  For,
  on,
  onCleanup,
  onMount,
  Show,
} from "solid-js";
import type { Transcript as Held } from "../../../core/src/sessions.ts";
import type { Message as Said } from "../../../core/src/sessions-model.ts";
import { Icon } from "./icon.tsx";
import { Message, type MessageActions, Thinking } from "./message.tsx";

/** Messages of one block. */
const BLOCK = 8;
/** So far beyond the edges, in pixels, it is drawn already. */
const AHEAD = 900;
/** So near its end the transcript follows what is said. */
const NEAR_END = 48;
/** So near its beginning older messages are read. */
const NEAR_START = 1200;

const anchors = typeof CSS !== "undefined" && CSS.supports("overflow-anchor", "auto");
const sameKeys = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a[0] === b[0];
const sameIds = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((id, at) => id === b[at]);

/** What a message will be high, before anybody has seen it. */
function guess(message: Said): number {
  let height = 44;
  for (const part of message.parts) {
    if (part.kind === "text") height += Math.ceil(part.text.length / 52) * 19 + 8;
    else if (part.kind !== "step") height += 30;
  }
  return Math.min(height, 4000);
}

export function Transcript(props: {
  held: Held;
  /** Messages from this one on are undone. */
  until: string | null;
  works: boolean;
  actions: MessageActions;
  onOlder: () => Promise<void>;
}) {
  let scroller: HTMLDivElement | undefined;
  let content: HTMLDivElement | undefined;
  const [follows, setFollows] = createSignal(true);
  const [loading, setLoading] = createSignal(false);

  const messages = createMemo(() => {
    const { until, held } = props;
    return until === null ? held.messages : held.messages.filter(one => one.id < until);
  });
  const keys = createMemo(
    () => {
      const first = Math.floor(props.held.first / BLOCK);
      const last = Math.floor((props.held.first + messages().length - 1) / BLOCK);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n);
    },
    [],
    { equals: sameKeys },
  );
  const blockOf = (key: number): readonly Said[] => {
    const start = key * BLOCK - props.held.first;
    return messages().slice(Math.max(0, start), start + BLOCK);
  };
  const lastKey = () => keys().at(-1);
  const lastId = () => messages().at(-1)?.id;

  const toEnd = () => {
    if (scroller) scroller.scrollTop = scroller.scrollHeight;
  };
  let programmatic = 0;
  const older = async () => {
    if (loading() || props.held.before === null || !scroller) return;
    setLoading(true);
    // At the very top a browser keeps nothing in its place when something comes above it.
    if (scroller.scrollTop < 1) scroller.scrollTop = 1;
    await props.onOlder();
    setLoading(false);
  };
  const scrolled = () => {
    if (!scroller) return;
    const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (performance.now() - programmatic > 100 || left < NEAR_END) setFollows(left < NEAR_END);
    if (scroller.scrollTop < NEAR_START) void older();
  };

  const [seen, setSeen] = createSignal<ReadonlySet<number>>(new Set());
  const boxes = new Map<Element, number>();
  let observer: IntersectionObserver | undefined;
  const watch = () =>
    new IntersectionObserver(
      entries => {
        setSeen(before => {
          const now = new Set(before);
          for (const { target, isIntersecting } of entries) {
            const key = boxes.get(target);
            if (key === undefined) continue;
            if (isIntersecting) now.add(key);
            else now.delete(key);
          }
          return now;
        });
      },
      { root: scroller ?? null, rootMargin: `${AHEAD}px 0px` },
    );
  onMount(() => {
    const resized = new ResizeObserver(() => {
      if (!follows()) return;
      programmatic = performance.now();
      toEnd();
    });
    if (content) resized.observe(content);
    if (scroller) resized.observe(scroller);
    toEnd();
    onCleanup(() => resized.disconnect());
  });
  onCleanup(() => observer?.disconnect());
  // What a person says is always shown to them.
  createEffect(
    on(lastId, (id, before) => {
      if (before === undefined || id === before) return;
      if (messages().at(-1)?.role === "user") setFollows(true);
    }),
  );

  return (
    <div class="transcript-box">
      <div
        class="transcript"
        ref={scroller}
        onScroll={scrolled}
        tabindex="0"
        role="log"
        aria-label="Conversation"
        aria-live="off"
      >
        <div class="transcript-content" ref={content}>
          <Show when={props.held.before !== null}>
            <p class="older-note" role="status">
              {loading() ? "Reading what was said before" : ""}
              <Show when={!loading()}>
                <button type="button" class="link" onClick={() => void older()}>
                  Show what was said before
                </button>
              </Show>
            </p>
          </Show>
          <For each={keys()}>
            {key => (
              <Block
                messages={blockOf(key)}
                drawn={seen().has(key) || key === lastKey()}
                last={lastId()}
                scroller={() => scroller}
                actions={props.actions}
                ref={element => {
                  boxes.set(element, key);
                  // By now the scroller is there, which it is measured against.
                  observer ??= watch();
                  observer.observe(element);
                  onCleanup(() => {
                    observer?.unobserve(element);
                    boxes.delete(element);
                  });
                }}
              />
            )}
          </For>
          <Show when={props.works && messages().at(-1)?.role !== "agent"}>
            <Thinking />
          </Show>
        </div>
      </div>
      <Show when={!follows()}>
        <button
          type="button"
          class="to-end"
          aria-label="To the latest"
          title="To the latest"
          onClick={() => {
            setFollows(true);
            toEnd();
          }}
        >
          <Icon name="down" />
        </button>
      </Show>
    </div>
  );
}

function Block(props: {
  messages: readonly Said[];
  drawn: boolean;
  last: string | undefined;
  scroller: () => HTMLElement | undefined;
  actions: MessageActions;
  ref: (element: HTMLElement) => void;
}) {
  let box: HTMLDivElement | undefined;
  const ids = createMemo(() => props.messages.map(one => one.id), [], { equals: sameIds });
  const [height, setHeight] = createSignal<number | null>(null);
  const reserved = () => height() ?? props.messages.reduce((sum, one) => sum + guess(one), 0);
  const drawn = createMemo(() => props.drawn);
  onMount(() => {
    if (!box) return;
    const element = box;
    props.ref(element);
    const resized = new ResizeObserver(() => {
      if (!drawn()) return;
      const before = height() ?? reserved();
      const now = element.offsetHeight;
      if (now === height()) return;
      setHeight(now);
      const scroller = props.scroller();
      // Where the browser does not keep things in their place, it is done here.
      if (!anchors && scroller && element.offsetTop + before < scroller.scrollTop) {
        scroller.scrollTop += now - before;
      }
    });
    resized.observe(element);
    onCleanup(() => resized.disconnect());
  });
  return (
    <div class="block" ref={box} style={drawn() ? {} : { height: `${reserved()}px` }}>
      <Show when={drawn()}>
        <For each={ids()}>
          {id => (
            <Show when={props.messages.find(one => one.id === id)}>
              {message => (
                <Message message={message()} isLast={props.last === id} actions={props.actions} />
              )}
            </Show>
          )}
        </For>
      </Show>
    </div>
  );
}
