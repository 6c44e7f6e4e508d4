/**
 * The whole screen: the bar, the room below it with what lies over it, and
 * beside it what asks for an answer and what happened. On a phone the button
 * that takes over is below all, under the thumb.
 */
import { createEffect, createSignal, onCleanup, Show } from "solid-js";
import type { TandemRoom } from "../../element/src/index.ts";
import { Approvals, asks } from "./approvals.tsx";
import { Bar } from "./bar.tsx";
import { onChord } from "./chords.ts";
import { Door } from "./door.tsx";
import { FloorActions, floorMain } from "./floor.tsx";
import { follow, matches } from "./follow.ts";
import { Help } from "./help.tsx";
import { RefusedNotice } from "./refused.tsx";
import { StatsPanel } from "./stats-panel.tsx";
import { Timeline } from "./timeline.tsx";

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

  const leave = () => bar?.querySelector<HTMLElement>(".tools button, .tool")?.focus();
  room.addEventListener("leave", leave);
  onCleanup(() => room.removeEventListener("leave", leave));

  const main = () => {
    if (floorMain({ room, seen }, note())) setNote("");
  };
  onChord(chord => {
    if (chord === "floor") main();
    else toCard?.();
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
        actions={<Show when={!narrow()}>{actions()}</Show>}
      />
      <main>
        <div class="over">
          {room}
          <Door room={room} seen={seen} />
          <RefusedNotice room={room} seen={seen} />
          <Help room={room} seen={seen} />
          <p class="told" role="status" classList={{ unseen: told() === "" }}>
            {told()}
          </p>
          <Show when={statsShown()}>
            <StatsPanel stats={seen.stats()} onClose={() => setStatsShown(false)} />
          </Show>
        </div>
        <aside
          class="side"
          aria-label="Questions and timeline"
          classList={{ open: timelineShown() || asks(seen).length > 0 }}
        >
          <Approvals
            room={room}
            seen={seen}
            onTold={setTold}
            onCard={go => {
              toCard = go;
            }}
          />
          <Show when={timelineShown()}>
            <Timeline room={room} seen={seen} onClose={() => setTimelineShown(false)} />
          </Show>
        </aside>
      </main>
      <Show when={narrow() && seen.joined() && seen.mayAct()}>
        <footer class="thumb">{actions()}</footer>
      </Show>
    </>
  );
}
