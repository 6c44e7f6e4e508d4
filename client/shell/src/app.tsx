/**
 * The whole screen: the bar, the room below it with what lies over it, and
 * beside it what asks for an answer, the agent and what happened. On a phone
 * the agent is one swipe apart, and the button that takes over is below all,
 * under the thumb.
 */
import { createEffect, createSignal, lazy, onCleanup, Show, Suspense } from "solid-js";
import type { ApprovalView } from "../../core/src/index.ts";
import { below } from "../../dom/src/socket.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import { Approvals, asks } from "./approvals.tsx";
import { Bar } from "./bar.tsx";
import { CHORDS, onChord } from "./chords.ts";
import { type Command, offerCommands } from "./commands.ts";
import { Door } from "./door.tsx";
import { createWidth, Edge } from "./edge.tsx";
import { FloorActions, floorMain } from "./floor.tsx";
import { follow, matches } from "./follow.ts";
import { Help } from "./help.tsx";
import { createHelping } from "./helping.ts";
import { Icon } from "./icons.tsx";
import type { PanelHandle } from "./panel/panels.tsx";
import { RefusedNotice } from "./refused.tsx";
import { recall, remember } from "./remembered.ts";
import { StatsPanel } from "./stats-panel.tsx";
import { onSwipe } from "./swipe.ts";
import { Timeline } from "./timeline.tsx";

const Panel = lazy(() => import("./panel/chunk.ts"));
const Palette = lazy(() => import("./palette.tsx"));

/** Beside a picture in a smaller window the panel waits until it is asked for. */
const ROOMY = 1100;
/** The picture comes first; what is not shown has time. */
const UNSEEN_AFTER_MS = 2000;
/** Of a card: the first thing to choose, or the safe answer. */
const FIRST_ANSWER = ".option input, .answer";
/** So near the edge of the picture a swipe is none of the page's. */
const RIM = 24;

export function App(props: { room: TandemRoom }) {
  const room = props.room;
  const seen = follow(room);
  const [statsShown, setStatsShown] = createSignal(false);
  const [timelineShown, setTimelineShown] = createSignal(false);
  const [told, setTold] = createSignal("");
  const [note, setNote] = createSignal("");
  // A phone on its side is wide, but its buttons are large.
  const narrow = matches("(max-width: 760px), (pointer: coarse) and (max-width: 960px)");
  let bar: HTMLElement | undefined;
  let toCard: (() => void) | null = null;

  // The agent: beside the picture, or on a phone in its place.
  const memory = recall("panel");
  const [wanted, setWanted] = createSignal(
    memory === null ? window.innerWidth >= ROOMY : memory === "shown",
  );
  const [chatting, setChatting] = createSignal(false);
  const mayTalk = () => seen.joined() && seen.mayAct();
  const panelShown = () => mayTalk() && (narrow() ? chatting() : wanted());
  const [panelKept, setPanelKept] = createSignal(false);
  createEffect(() => {
    // Once loaded it stays, with what was written in it; also over a lost connection.
    if (panelShown()) setPanelKept(true);
    if (seen.refused()) setPanelKept(false);
  });
  // Also unseen it is loaded, once there is time: the agent's questions come with it.
  createEffect(() => {
    if (!mayTalk() || panelKept()) return;
    const timer = setTimeout(() => setPanelKept(true), UNSEEN_AFTER_MS);
    onCleanup(() => clearTimeout(timer));
  });
  const helping = createHelping(room, seen, () => setChatting(false));
  let panel: PanelHandle | null = null;
  let focusPanel = false;
  let openLater: { session: string; project: string } | null = null;
  const showPanel = (shown: boolean) => {
    if (narrow()) setChatting(shown);
    else {
      setWanted(shown);
      remember("panel", shown ? "shown" : "hidden");
    }
    if (shown) setTimelineShown(false);
  };
  const talk = () => {
    if (!mayTalk()) return;
    const inside = document.activeElement?.closest(".panel");
    if (panelShown() && inside) {
      if (narrow()) showPanel(false);
      room.focus();
      return;
    }
    showPanel(true);
    focusPanel = panel === null;
    // Shown first: what is hidden takes no focus.
    queueMicrotask(() => panel?.focus());
  };
  const [sought, setSought] = createSignal<number | null>(null);
  createEffect(() => {
    if (!timelineShown()) setSought(null);
  });
  const showSession = (session: string, project: string) => {
    showPanel(true);
    if (panel) panel.open(session, project);
    else openLater = { session, project };
  };
  const [asking, setAsking] = createSignal<{ project: string; root: string } | null>(null);
  const askedInPanel = ({ session }: ApprovalView) => {
    const here = panelShown() ? asking() : null;
    return (
      here !== null &&
      session !== null &&
      session.root === here.root &&
      session.project === here.project
    );
  };
  const width = createWidth();

  const [palette, setPalette] = createSignal<"commands" | "keys" | null>(null);
  const question = (event: KeyboardEvent) => {
    const target = event.composedPath()[0];
    const types =
      target instanceof Element && target.matches("input, textarea, select, [contenteditable]");
    if (event.key !== "?" || types || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    setPalette("keys");
  };
  document.addEventListener("keydown", question);
  onCleanup(() => document.removeEventListener("keydown", question));
  onSwipe(
    event => {
      if (!narrow() || !mayTalk() || !(event.target instanceof Element)) return false;
      if (event.target.closest(".thumb")) return true;
      if (chatting()) {
        // What scrolls sideways by itself is not to be swiped away.
        return (
          event.target.closest(".panel") !== null &&
          event.target.closest("pre, .table, .diff, input, textarea") === null
        );
      }
      const [touch] = event.touches;
      return touch !== undefined && touch.clientX > window.innerWidth - RIM;
    },
    to => showPanel(to === "left"),
  );

  const leave = () => bar?.querySelector<HTMLElement>(".tools button, .tool")?.focus();
  room.addEventListener("leave", leave);
  onCleanup(() => room.removeEventListener("leave", leave));

  const main = () => {
    if (floorMain({ room, seen }, note())) setNote("");
  };
  onChord(chord => {
    switch (chord) {
      case "floor":
        main();
        break;
      case "card":
        if (toCard) toCard();
        else if (!panel?.toAsk()) toHelp();
        break;
      case "palette":
        setPalette(shown => (shown === "commands" ? null : "commands"));
        break;
      case "panel":
        talk();
    }
  });
  /** To the card over the picture; from there: yes. */
  const toHelp = () => {
    const cards = [...(helping.place()?.querySelectorAll("details") ?? [])];
    const card = cards.find(one => one.querySelector(".answer"));
    if (!card) return;
    const inside = card.contains(document.activeElement);
    card.open = true;
    if (inside) card.querySelector<HTMLElement>(".answer.main")?.click();
    else card.querySelector<HTMLElement>(FIRST_ANSWER)?.focus();
  };
  offerCommands((): Command[] => {
    const picture = (name: string, run: () => void, keys?: string): Command =>
      keys ? { name, group: "Picture", run, keys } : { name, group: "Picture", run };
    const acts: Command[] = seen.mayAct()
      ? [
          picture("Take over or hand back", main, CHORDS.floor.shown),
          picture("Match my window", () => room.requestFit()),
        ]
      : [];
    const talks: Command[] = mayTalk()
      ? [
          { name: "Talk to the agent", group: "Agent", keys: CHORDS.panel.shown, run: talk },
          {
            name: panelShown() ? "Hide the panel" : "Show the panel",
            group: "Agent",
            run: () => showPanel(!panelShown()),
          },
        ]
      : [];
    return [
      ...talks,
      ...acts,
      picture("Show the whole picture", () => {
        room.fit = "fit";
      }),
      picture("Show each pixel as it is", () => {
        room.fit = "1:1";
      }),
      picture(timelineShown() ? "Hide the timeline" : "Show the timeline", () =>
        setTimelineShown(shown => !shown),
      ),
      picture(statsShown() ? "Hide the statistics" : "Show the statistics", () =>
        setStatsShown(shown => !shown),
      ),
      ...(seen.you()?.role === "admin"
        ? [
            {
              name: "Administration: rooms, people, tokens, rules",
              group: "Server",
              run: () => location.assign(below(room.src, "admin")),
            } satisfies Command,
          ]
        : []),
      picture("List the keys", () => setPalette("keys"), "?"),
    ];
  });

  createEffect(() => {
    const title = seen.view()?.page?.title;
    const waiting = asks(seen).length > 0 ? "(1) " : "";
    document.title = `${waiting}${title ? `${title} · Tandem` : `${room.room} · Tandem`}`;
  });

  const actions = () => (
    <Show when={seen.joined() && seen.mayAct()}>
      <FloorActions
        room={room}
        seen={seen}
        narrow={narrow()}
        note={note()}
        onNote={setNote}
        onMain={main}
      />
    </Show>
  );
  return (
    <>
      <Bar
        ref={element => {
          bar = element;
        }}
        room={room}
        seen={seen}
        narrow={narrow()}
        statsShown={statsShown()}
        onStats={() => setStatsShown(shown => !shown)}
        timelineShown={timelineShown()}
        onTimeline={() => setTimelineShown(shown => !shown)}
        panelShown={panelShown()}
        onPanel={mayTalk() && !narrow() ? () => showPanel(!panelShown()) : null}
        actions={<Show when={!narrow()}>{actions()}</Show>}
      />
      <main
        classList={{ chatting: narrow() && panelShown() }}
        style={{ "--side": `${panelShown() || timelineShown() ? width.width() : 340}px` }}
      >
        <div class="over">
          {room}
          <Door room={room} seen={seen} />
          <RefusedNotice room={room} seen={seen} />
          <Help room={room} seen={seen} helping={helping} />
          <p class="told" role="status" classList={{ unseen: told() === "" }}>
            {told()}
          </p>
          <Show when={statsShown()}>
            <StatsPanel stats={seen.stats()} onClose={() => setStatsShown(false)} />
          </Show>
          <Show when={narrow() && panelShown()}>
            <button
              type="button"
              class="back-to-picture"
              aria-label="Back to the browser"
              title="Back to the browser"
              onClick={() => showPanel(false)}
            />
          </Show>
        </div>
        <Show when={!narrow() && (panelShown() || timelineShown())}>
          <Edge width={width} />
        </Show>
        <aside
          class="side"
          aria-label="The agent, questions and timeline"
          classList={{
            open: timelineShown() || panelShown() || asks(seen).some(one => !askedInPanel(one)),
          }}
        >
          <Approvals
            room={room}
            seen={seen}
            elsewhere={askedInPanel}
            onTold={setTold}
            onCard={go => {
              toCard = go;
            }}
          />
          <Show when={timelineShown()}>
            <Timeline
              room={room}
              seen={seen}
              sought={sought()}
              onSession={mayTalk() ? showSession : null}
              onClose={() => setTimelineShown(false)}
            />
          </Show>
          <Show when={panelKept()}>
            <Suspense
              fallback={
                <Show when={panelShown()}>
                  <p class="panel-loading" role="status">
                    Loading
                  </p>
                </Show>
              }
            >
              <Panel
                room={room}
                seen={seen}
                helping={helping}
                shown={panelShown() && !timelineShown()}
                onClose={() => showPanel(false)}
                onRecord={seq => {
                  setSought(seq);
                  setTimelineShown(true);
                }}
                onPicking={picking => {
                  if (narrow()) setChatting(!picking);
                }}
                onAsking={setAsking}
                ref={handle => {
                  panel = handle;
                  if (handle && focusPanel) queueMicrotask(handle.focus);
                  focusPanel = false;
                  if (handle && openLater) handle.open(openLater.session, openLater.project);
                  openLater = null;
                }}
              />
            </Suspense>
          </Show>
        </aside>
      </main>
      <Show when={narrow() && mayTalk()}>
        <footer class="thumb">
          <div class="choice views">
            <button type="button" aria-pressed={!chatting()} onClick={() => showPanel(false)}>
              <Icon name="globe" />
              Browser
            </button>
            <button type="button" aria-pressed={chatting()} onClick={() => showPanel(true)}>
              <Icon name="bot" />
              Agent
            </button>
          </div>
          {actions()}
        </footer>
      </Show>
      <Show when={palette()} keyed>
        {shows => (
          <Suspense>
            <Palette shows={shows} onClose={() => setPalette(null)} />
          </Suspense>
        )}
      </Show>
    </>
  );
}
