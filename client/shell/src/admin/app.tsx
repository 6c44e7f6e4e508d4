/**
 * The page of whoever administers the server: six sections behind one bar.
 * Which one is shown, and of which room, stands in the address, so that it can
 * be linked to and gone back from.
 */
import { createSignal, For, Match, onCleanup, Show, Switch } from "solid-js";
import type { Overview } from "../../../core/src/admin-model.ts";
import { below } from "../../../dom/src/socket.ts";
import { base, type Refused } from "./api.ts";
import { LoadStrip } from "./load.tsx";
import { People } from "./people.tsx";
import { Rooms } from "./rooms.tsx";
import { Rules } from "./rules.tsx";
import { Secrets } from "./secrets.tsx";
import { Server } from "./server.tsx";
import { SECTIONS, type Section, t } from "./texts/index.ts";
import { Tokens } from "./tokens.tsx";
import { watchServer } from "./watch.ts";

/** What each section is given. */
export interface Tools {
  overview: Overview;
  /** The room that the section is about; empty for all. */
  room: string;
  go: (section: Section, room?: string) => void;
  /** Tells what was done, or what went wrong. */
  say: (words: string, wrong?: boolean) => void;
  /** Asks the server how it is now. */
  again: () => Promise<void>;
}

const SAID_FOR_MS = 6000;

interface Place {
  section: Section;
  room: string;
}

function placeOf(hash: string): Place {
  const [section = "", room = ""] = hash.replace(/^#/, "").split("/");
  const known = SECTIONS.find(one => one === section);
  return { section: known ?? "rooms", room: known ? decodeURIComponent(room) : "" };
}

const hashOf = (section: Section, room = "") =>
  `#${section}${room ? `/${encodeURIComponent(room)}` : ""}`;

export function App() {
  const watch = watchServer();
  const [place, setPlace] = createSignal(placeOf(location.hash));
  const moved = () => setPlace(placeOf(location.hash));
  addEventListener("hashchange", moved);
  onCleanup(() => removeEventListener("hashchange", moved));
  const go = (section: Section, room = "") => {
    location.hash = hashOf(section, room);
  };

  const [said, setSaid] = createSignal<{ words: string; wrong: boolean } | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  const say = (words: string, wrong = false) => {
    setSaid({ words, wrong });
    clearTimeout(timer);
    timer = setTimeout(() => setSaid(null), SAID_FOR_MS);
  };
  const here = () => {
    const people = watch.overview()?.rooms.flatMap(room => room.people) ?? [];
    return people.length;
  };
  return (
    <>
      <header class="bar">
        <h1>
          <a href={below(base, "rooms/main").href}>Tandem</a>
          <span>{t.title}</span>
        </h1>
        <Show when={!watch.refused() && watch.overview()}>
          {overview => (
            <>
              <nav aria-label={t.sectionsLabel}>
                <For each={SECTIONS}>
                  {section => (
                    <a
                      href={hashOf(section)}
                      aria-current={place().section === section ? "page" : undefined}
                    >
                      {t.sections[section]}
                      <Show when={section === "people" && here() > 0}>
                        <span class="count">{here()}</span>
                      </Show>
                    </a>
                  )}
                </For>
              </nav>
              <span class="gap" />
              <a
                class="readiness"
                classList={{ wrong: !overview().ready || watch.lost() }}
                href={hashOf("server")}
              >
                {overview().ready && !watch.lost() ? t.server.ready : t.server.notReady}
              </a>
            </>
          )}
        </Show>
      </header>
      <main classList={{ stale: watch.lost() }}>
        <Show when={!watch.refused()} fallback={<Door refused={watch.refused()} />}>
          <Show when={watch.lost()}>
            <p class="banner" role="alert">
              {t.lost}
            </p>
          </Show>
          <Show when={watch.overview()} fallback={<p class="empty">{t.loading}</p>}>
            {overview => {
              const tools = {
                get overview() {
                  return overview();
                },
                get room() {
                  return place().room;
                },
                go,
                say,
                again: watch.again,
              };
              return (
                <Switch>
                  <Match when={place().section === "rooms"}>
                    <LoadStrip overview={overview()} />
                    <Rooms {...tools} />
                  </Match>
                  <Match when={place().section === "people"}>
                    <People {...tools} />
                  </Match>
                  <Match when={place().section === "tokens"}>
                    <Tokens {...tools} />
                  </Match>
                  <Match when={place().section === "secrets"}>
                    <Secrets {...tools} />
                  </Match>
                  <Match when={place().section === "rules"}>
                    <Rules {...tools} />
                  </Match>
                  <Match when={place().section === "server"}>
                    <LoadStrip overview={overview()} />
                    <Server {...tools} />
                  </Match>
                </Switch>
              );
            }}
          </Show>
        </Show>
      </main>
      <p class="said" role="status" classList={{ unseen: said() === null, wrong: said()?.wrong }}>
        {said()?.words}
      </p>
    </>
  );
}

/** Somebody without the admin's token: why, and how to come in. */
function Door(props: { refused: Refused | null }) {
  const open = (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get("token") ?? "").trim();
    // The server moves it from the address into a cookie.
    if (token) location.assign(below(base, `admin?token=${encodeURIComponent(token)}`));
  };
  return (
    <section class="doorway" aria-labelledby="door-title">
      <h2 id="door-title">{t.door.title}</h2>
      <Show when={props.refused?.status === 403}>
        <p>{t.door.guest}</p>
      </Show>
      <p>{t.door.how}</p>
      <form class="door" onSubmit={open}>
        <input
          name="token"
          type="password"
          aria-label={t.door.token}
          placeholder={t.door.token}
          autocomplete="off"
          required
        />
        <button type="submit">{t.door.open}</button>
      </form>
      <p>
        <a class="link" href={below(base, "").href}>
          {t.door.toRoom}
        </a>
      </p>
    </section>
  );
}
