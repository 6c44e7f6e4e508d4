/** All sessions, the last used first, with those that their agents started below them. */

import { createEffect, createSignal, For, on, onCleanup, onMount, Show } from "solid-js";
import { childrenOf, rootsOf, waitsIn } from "../../../core/src/sessions.ts";
import type { Session } from "../../../core/src/sessions-model.ts";
import { ago, spentWords, titleOf } from "../../../core/src/transcript.ts";
import { activeIn } from "../active.ts";
import type { Copilot } from "./copilot.ts";
import { Icon } from "./icon.tsx";

const SEARCH_AFTER_MS = 200;

export function SessionList(props: { copilot: Copilot; onDone: () => void; onNew: () => void }) {
  const [search, setSearch] = createSignal("");
  const [found, setFound] = createSignal<Session[] | null>(null);
  const [now, setNow] = createSignal(Date.now());
  let field: HTMLInputElement | undefined;
  let list: HTMLUListElement | undefined;
  const clock = setInterval(() => setNow(Date.now()), 30_000);
  onCleanup(() => clearInterval(clock));
  onMount(() => {
    props.copilot.start();
    field?.focus();
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  createEffect(
    on(search, words => {
      clearTimeout(timer);
      if (words.trim() === "") {
        setFound(null);
        return;
      }
      timer = setTimeout(async () => {
        const sessions = await props.copilot.attempt(() => props.copilot.api.list(words.trim()));
        if (sessions && search() === words) setFound(sessions);
      }, SEARCH_AFTER_MS);
    }),
  );
  onCleanup(() => clearTimeout(timer));

  const shown = (): { session: Session; depth: number }[] => {
    const state = props.copilot.state();
    const searched = found();
    if (searched) {
      // As it is now, where it is known.
      return searched.map(one => ({ session: state.sessions.get(one.id) ?? one, depth: 0 }));
    }
    const below = (session: Session, depth: number): { session: Session; depth: number }[] => [
      { session, depth },
      ...(depth < 4 ? childrenOf(state, session.id).flatMap(one => below(one, depth + 1)) : []),
    ];
    return rootsOf(state).flatMap(one => below(one, 0));
  };
  const choose = (session: Session) => {
    props.copilot.open(session.id);
    props.onDone();
  };
  const step = (event: KeyboardEvent) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0 || !list) return;
    event.preventDefault();
    const rows = [...list.querySelectorAll<HTMLElement>(".session")];
    const at = rows.indexOf(activeIn(rows[0]) as HTMLElement) + by;
    if (at < 0) field?.focus();
    else rows[Math.min(at, rows.length - 1)]?.focus();
  };
  return (
    <section
      class="sessions"
      aria-label="Sessions"
      onKeyDown={event => {
        step(event);
        if (event.key === "Escape") {
          event.stopPropagation();
          props.onDone();
        }
      }}
    >
      <div class="sessions-head">
        <label class="search">
          <Icon name="search" />
          <input
            ref={field}
            type="search"
            aria-label="Search sessions"
            placeholder="Search sessions"
            autocomplete="off"
            value={search()}
            onInput={event => setSearch(event.currentTarget.value)}
            onKeyDown={event => {
              const first = shown()[0];
              if (event.key === "Enter" && first) choose(first.session);
            }}
          />
        </label>
        <button type="button" class="answer main" onClick={props.onNew}>
          New
        </button>
      </div>
      <ul class="plain-list session-rows" ref={list}>
        <For
          each={shown()}
          fallback={
            <li class="empty-note">
              {search().trim()
                ? "No session is called like that."
                : props.copilot.connection() === "open"
                  ? "Nobody has talked to the agent yet."
                  : "The agent is starting."}
            </li>
          }
        >
          {({ session, depth }) => (
            <li>
              <button
                type="button"
                class="session"
                style={{ "padding-inline-start": `${12 + depth * 18}px` }}
                aria-current={session.id === props.copilot.current() ? "true" : undefined}
                onClick={() => choose(session)}
              >
                <Show when={depth > 0}>
                  <Icon name="child" />
                </Show>
                <span class="session-words">
                  <bdi class="title">{titleOf(session)}</bdi>
                  <span class="small">
                    <Standing
                      session={session}
                      waits={waitsIn(props.copilot.state(), session.id).length}
                    />
                    {spentWords(session)}
                  </span>
                </span>
                <time
                  class="small"
                  datetime={new Date(session.updated).toISOString()}
                  title={new Date(session.updated).toLocaleString()}
                >
                  {ago(session.updated, now())}
                </time>
              </button>
            </li>
          )}
        </For>
      </ul>
    </section>
  );
}

function Standing(props: { session: Session; waits: number }) {
  const words = () => {
    if (props.waits > 0) return "waits for you";
    switch (props.session.state) {
      case "busy":
        return "at work";
      case "retrying":
        return "tries again";
      case "failed":
        return "stopped by a fault";
      default:
        return "";
    }
  };
  return (
    <Show when={words()}>
      <span
        class="standing"
        classList={{ waits: props.waits > 0, fault: props.session.state === "failed" }}
      >
        {words()}
      </span>
    </Show>
  );
}
