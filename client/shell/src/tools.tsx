/** The few things to do with the picture; in the bar, or in the menu of a phone. */
import { createSignal, onCleanup, Show } from "solid-js";
import { below } from "../../dom/src/socket.ts";
import type { Fit, TandemRoom } from "../../element/src/index.ts";
import { ToolButton } from "./buttons.tsx";
import { Icon } from "./icons.tsx";

export interface ToolsProps {
  room: TandemRoom;
  mayAct: boolean;
  live: boolean;
  /** Whether they administer the server too. */
  administers: boolean;
  statsShown: boolean;
  onStats: () => void;
  timelineShown: boolean;
  onTimeline: () => void;
  onDone: () => void;
}

export function Tools(props: ToolsProps) {
  const [shown, setShown] = createSignal<Fit>(props.room.fit);
  const [full, setFull] = createSignal(document.fullscreenElement !== null);
  const fullChanged = () => setFull(document.fullscreenElement !== null);
  document.addEventListener("fullscreenchange", fullChanged);
  onCleanup(() => document.removeEventListener("fullscreenchange", fullChanged));

  const choose = (wanted: Fit) => {
    props.room.fit = wanted;
    setShown(wanted);
    props.onDone();
  };
  const toggleFull = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void document.documentElement.requestFullscreen().catch(() => {});
    props.onDone();
    props.room.focus();
  };

  return (
    <fieldset class="tools" aria-label="Picture">
      <div class="choice">
        <button
          type="button"
          aria-pressed={shown() === "fit"}
          title="Show the whole picture"
          onClick={() => choose("fit")}
        >
          Fit
        </button>
        <button
          type="button"
          aria-pressed={shown() === "1:1"}
          title="Show each pixel as it is"
          onClick={() => choose("1:1")}
        >
          1:1
        </button>
      </div>
      <Show when={props.mayAct}>
        <button
          type="button"
          class="tool"
          disabled={!props.live}
          title="Make the shared browser as large as this window"
          onClick={() => {
            props.room.requestFit();
            choose("fit");
          }}
        >
          <Icon name="scaling" />
          <span class="label">Match my window</span>
        </button>
      </Show>
      <Show when={document.fullscreenEnabled}>
        <ToolButton label={full() ? "Leave full screen" : "Full screen"} onClick={toggleFull}>
          <Icon name={full() ? "minimize" : "maximize"} />
          <span class="label only-menu">{full() ? "Leave full screen" : "Full screen"}</span>
        </ToolButton>
      </Show>
      <ToolButton
        aria-pressed={props.timelineShown}
        label="Timeline"
        title="Timeline: who did what"
        onClick={() => {
          props.onTimeline();
          props.onDone();
        }}
      >
        <Icon name="history" />
        <span class="label only-menu">Timeline</span>
      </ToolButton>
      <ToolButton
        aria-pressed={props.statsShown}
        label="Statistics"
        onClick={() => {
          props.onStats();
          props.onDone();
        }}
      >
        <Icon name="stats" />
        <span class="label only-menu">Statistics</span>
      </ToolButton>
      <Show when={props.administers}>
        <a
          class="tool"
          href={below(props.room.src, "admin").href}
          aria-label="Administration"
          title="Administration: rooms, people, tokens, rules"
        >
          <Icon name="gauge" />
          <span class="label only-menu">Administration</span>
        </a>
      </Show>
    </fieldset>
  );
}
