/** The whole screen: the bar, the room below it, the numbers over it when wanted. */
import { createEffect, createSignal, onCleanup, Show } from "solid-js";
import type { TandemRoom } from "../../element/src/index.ts";
import { Bar } from "./bar.tsx";
import { Door } from "./door.tsx";
import { follow } from "./follow.ts";
import { Help } from "./help.tsx";
import { StatsPanel } from "./stats-panel.tsx";

export function App(props: { room: TandemRoom }) {
  const room = props.room;
  const seen = follow(room);
  const [statsShown, setStatsShown] = createSignal(false);
  let bar: HTMLElement | undefined;

  const leave = () => bar?.querySelector<HTMLElement>("button")?.focus();
  room.addEventListener("leave", leave);
  onCleanup(() => room.removeEventListener("leave", leave));

  createEffect(() => {
    const title = seen.view()?.page?.title;
    document.title = title ? `${title} · Tandem` : `${room.room} · Tandem`;
  });

  return (
    <>
      <Bar
        ref={element => {
          bar = element;
        }}
        room={room}
        seen={seen}
        statsShown={statsShown()}
        onStats={() => setStatsShown(shown => !shown)}
      />
      <main>
        {room}
        <Door room={room} seen={seen} />
        <Help room={room} seen={seen} />
        <Show when={statsShown()}>
          <StatsPanel stats={seen.stats()} onClose={() => setStatsShown(false)} />
        </Show>
      </main>
    </>
  );
}
