/** Who did what: the room's record, newest first, beside the picture or, on a phone, over all of it. */

import { createEffect, createMemo, createSignal, For, onCleanup, onMount, Show } from "solid-js";
import {
  exportPath,
  foldLines,
  groupLines,
  NO_FILTER,
  outcomeWords,
  RECORD_KINDS,
  type RecordFilter,
  type RecordLine,
  recordPath,
} from "../../core/src/index.ts";
import { below } from "../../dom/src/socket.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import { AnswerButton, ToolButton } from "./buttons.tsx";
import { colourStyle } from "./floor.tsx";
import { matches, type Seen } from "./follow.ts";
import { Icon, type IconName } from "./icons.tsx";
import { createFeed } from "./record-feed.ts";

const DAY = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });
const TIME = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });
/** So near its end, in pixels, the list asks for older lines. */
const NEAR_END = 400;

const dayOf = (at: number): string => {
  const day = new Date(at).toDateString();
  return day === new Date().toDateString() ? "Today" : DAY.format(at);
};

const kindOf = (who: RecordLine["who"]) =>
  who.role === "agent" ? ("agent" as const) : ("person" as const);
/** The room itself has nobody's colour. */
const styleOf = (who: RecordLine["who"]) =>
  who.role === "room"
    ? { "--_actor": "var(--_idle)" }
    : colourStyle({ id: who.id, kind: kindOf(who) });
const iconOf = (who: RecordLine["who"]): IconName =>
  who.role === "agent" ? "bot" : who.role === "room" ? "globe" : "user";

export interface TimelineProps {
  room: TandemRoom;
  seen: Seen;
  /** The line that somebody wants to see. */
  sought: number | null;
  /** Shows a conversation with an agent; null where there is none to be shown. */
  onSession: ((session: string, project: string) => void) | null;
  onClose: () => void;
}

export function Timeline(props: TimelineProps) {
  const [filter, setFilter] = createSignal<RecordFilter>(NO_FILTER);
  const address = below(props.room.src, recordPath(props.room.room));
  const feed = createFeed(address, filter);
  const change = (part: Partial<RecordFilter>) => setFilter(all => ({ ...all, ...part }));
  const filtered = () => filter().who !== "" || filter().kind !== "" || filter().refused;
  const days = createMemo(() => groupLines(foldLines(feed.lines()), dayOf));

  // Who can be asked for: all that were ever seen here, not whom the filter leaves.
  const [people, setPeople] = createSignal<ReadonlyMap<string, string>>(new Map());
  createEffect(() => {
    const present = props.seen.view()?.present ?? [];
    const all = new Map([...people(), ...present.map(who => [who.id, who.name] as const)]);
    for (const { who } of feed.lines()) if (who.id) all.set(who.id, who.name);
    if (all.size !== people().size) setPeople(all);
  });

  // A line that is sought is read for, until it is there or there is nothing more.
  createEffect(() => {
    const { sought } = props;
    if (sought === null || feed.lines().length === 0) return;
    const found = list?.querySelector(`[data-seq="${sought}"]`);
    if (found) found.scrollIntoView({ block: "center" });
    else if (feed.more() && (feed.lines().at(-1)?.seq ?? 0) > sought) feed.older();
  });

  let list: HTMLDivElement | undefined;
  let close: HTMLButtonElement | undefined;
  const phone = matches("(max-width: 760px), (pointer: coarse) and (max-width: 960px)");
  const near = () => {
    if (!list || !feed.more()) return;
    if (list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END) feed.older();
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key === "Escape") props.onClose();
  };
  onMount(() => {
    const opener = document.activeElement;
    if (phone()) close?.focus();
    onCleanup(() => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    });
  });
  return (
    <section class="timeline" aria-labelledby="timeline-title" onKeyDown={leave}>
      <header class="timeline-head">
        <h2 id="timeline-title">Timeline</h2>
        <span class="gap" />
        <a
          class="tool"
          href={below(props.room.src, exportPath(props.room.room)).href}
          download={`${props.room.room}.jsonl`}
          aria-label="Export as JSON lines"
          title="Export as JSON lines"
        >
          <Icon name="download" />
        </a>
        <ToolButton ref={close} label="Close the timeline" title="Close" onClick={props.onClose}>
          <Icon name="close" />
        </ToolButton>
      </header>
      <form class="timeline-filter" aria-label="Filter" onSubmit={event => event.preventDefault()}>
        <select
          aria-label="Who"
          value={filter().who}
          onChange={event => change({ who: event.currentTarget.value })}
        >
          <option value="">Everybody</option>
          <For each={[...people()]}>{([id, name]) => <option value={id}>{name}</option>}</For>
        </select>
        <select
          aria-label="What"
          value={filter().kind}
          onChange={event => change({ kind: event.currentTarget.value })}
        >
          <option value="">Everything</option>
          <For each={Object.entries(RECORD_KINDS)}>
            {([kind, name]) => <option value={kind}>{name}</option>}
          </For>
        </select>
        <label>
          <input
            type="checkbox"
            checked={filter().refused}
            onChange={event => change({ refused: event.currentTarget.checked })}
          />
          Only refused
        </label>
      </form>
      <div
        class="timeline-list"
        ref={list}
        onScroll={near}
        tabindex="0"
        role="log"
        aria-live="off"
        aria-label="What happened"
      >
        <Show when={feed.lines().length === 0}>
          <Empty
            state={feed.state()}
            filtered={filtered()}
            onAgain={feed.again}
            onAll={() => setFilter(NO_FILTER)}
          />
        </Show>
        <For each={days()}>
          {day => (
            <section>
              <h3 class="day">{day.day}</h3>
              <For each={day.groups}>
                {group => (
                  <article class="group" style={styleOf(group.who)}>
                    <h4>
                      <Icon name={iconOf(group.who)} />
                      <span class="words">{group.who.name}</span>
                      <time
                        datetime={new Date(group.at).toISOString()}
                        title={EXACT.format(group.at)}
                      >
                        {TIME.format(group.at)}
                      </time>
                    </h4>
                    <ul>
                      <For each={group.lines}>
                        {line => (
                          <Line
                            line={line}
                            sought={line.seq === props.sought}
                            onSession={props.onSession}
                          />
                        )}
                      </For>
                    </ul>
                  </article>
                )}
              </For>
            </section>
          )}
        </For>
        <Show when={feed.lines().length > 0 && feed.more()}>
          <button type="button" class="answer older" onClick={feed.older}>
            Show older
          </button>
        </Show>
        <Show when={feed.lines().length > 0 && feed.state() === "broken"}>
          <p class="timeline-note" role="status">
            The record does not answer, trying again.
          </p>
        </Show>
      </div>
    </section>
  );
}

function Line(props: {
  line: RecordLine;
  sought: boolean;
  onSession: ((session: string, project: string) => void) | null;
}) {
  const outcome = () => outcomeWords(props.line);
  return (
    <li
      class={props.line.outcome}
      classList={{ sought: props.sought }}
      data-seq={props.line.seq}
      aria-current={props.sought ? "true" : undefined}
      title={`${EXACT.format(props.line.at)} · ${props.line.named}`}
    >
      <span class="line-what">
        <bdi>{props.line.what}</bdi>
        <Show when={outcome()}>
          <span class="outcome">{outcome()}</span>
        </Show>
      </span>
      <Show when={props.line.said}>
        <bdi class="line-said">“{props.line.said}”</bdi>
      </Show>
      <Show when={props.line.reason}>
        <bdi class="line-more">{props.line.reason}</bdi>
      </Show>
      <Show when={props.line.where}>
        <bdi class="line-more">{props.line.where}</bdi>
      </Show>
      <Show when={props.onSession && props.line.session}>
        {session => (
          <button
            type="button"
            class="line-link"
            onClick={() => props.onSession?.(session().id, session().project)}
          >
            In the conversation
          </button>
        )}
      </Show>
    </li>
  );
}

function Empty(props: {
  state: "loading" | "ready" | "forbidden" | "broken";
  filtered: boolean;
  onAgain: () => void;
  onAll: () => void;
}) {
  const words = () => {
    switch (props.state) {
      case "loading":
        return "Loading";
      case "forbidden":
        return "This link does not let you read the record.";
      case "broken":
        return "The record does not answer, trying again.";
      default:
        return props.filtered ? "Nothing like that has happened." : "Nothing has happened yet.";
    }
  };
  return (
    <div class="timeline-empty" role="status">
      <p>{words()}</p>
      <Show when={props.state === "broken"}>
        <AnswerButton onClick={props.onAgain}>Try now</AnswerButton>
      </Show>
      <Show when={props.state === "ready" && props.filtered}>
        <AnswerButton onClick={props.onAll}>Show everything</AnswerButton>
      </Show>
    </div>
  );
}
