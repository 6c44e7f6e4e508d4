/**
 * The slim bar: which room, who is here, who acts, how well it comes through,
 * and the few things to do. On a phone the doing folds into a menu.
 */
import { createSignal, type JSX, Show } from "solid-js";
import type { Stats, TandemRoom } from "../../element/src/index.ts";
import { ToolButton } from "./buttons.tsx";
import { CHORDS } from "./chords.ts";
import { FloorStrip } from "./floor.tsx";
import { matches, type Seen } from "./follow.ts";
import { formatMs } from "./format.ts";
import { Icon, type IconName } from "./icons.tsx";
import { Menu } from "./menu.tsx";
import { People } from "./people.tsx";
import { Tools } from "./tools.tsx";

export interface BarProps {
  ref: (element: HTMLElement) => void;
  room: TandemRoom;
  seen: Seen;
  narrow: boolean;
  statsShown: boolean;
  onStats: () => void;
  timelineShown: boolean;
  onTimeline: () => void;
  panelShown: boolean;
  /** Null where there is no panel to be shown, or where it has its button elsewhere. */
  onPanel: (() => void) | null;
  /** The buttons of who acts, where they have their place in the bar. */
  actions: JSX.Element;
}

export function Bar(props: BarProps) {
  const touch = matches("(pointer: coarse)");
  const [keys, setKeys] = createSignal(false);

  const tools = (done?: () => void) => (
    <Tools
      room={props.room}
      mayAct={props.seen.mayAct()}
      live={props.seen.live()}
      administers={props.seen.you()?.role === "admin"}
      statsShown={props.statsShown}
      onStats={props.onStats}
      timelineShown={props.timelineShown}
      onTimeline={props.onTimeline}
      onDone={() => done?.()}
    />
  );

  const small = matches("(max-width: 480px)");
  // Who only watches is told so, and on a phone that takes the place of faces.
  const most = () => (!small() ? 6 : props.seen.mayAct() ? 3 : 2);

  return (
    <header class="bar" ref={props.ref}>
      <h1
        title={props.seen.view()?.page?.url ?? ""}
        classList={{ unseen: small() && props.seen.view() !== null }}
      >
        {props.room.room}
      </h1>
      <Show when={!props.seen.refused()}>
        <People view={props.seen.view()} you={props.seen.you()} most={most()} />
      </Show>
      <Show when={props.seen.joined()}>
        <FloorStrip room={props.room} seen={props.seen} narrow={props.narrow} />
      </Show>
      <Show when={props.seen.joined() && !props.seen.mayAct()}>
        <span class="watching">
          <Icon name="eye" />
          <span class="words">You are watching</span>
        </span>
      </Show>
      <span class="gap" />
      {props.actions}
      <Show when={!props.narrow}>
        <Quality stats={props.seen.stats()} live={props.seen.live()} />
      </Show>
      <Show when={touch() && props.seen.mayAct()}>
        <ToolButton
          aria-pressed={keys()}
          label="Keyboard"
          onClick={() => {
            setKeys(!keys());
            props.room.setOnScreenKeyboard(keys());
          }}
        >
          <Icon name="keyboard" />
        </ToolButton>
      </Show>
      <Show
        when={props.narrow}
        fallback={
          <>
            {tools()}
            <Show when={props.onPanel}>
              {toggle => (
                <ToolButton
                  aria-pressed={props.panelShown}
                  label="Agent"
                  title={`The agent beside the picture (${CHORDS.panel.shown})`}
                  onClick={() => toggle()()}
                >
                  <Icon name="panel" />
                </ToolButton>
              )}
            </Show>
          </>
        }
      >
        <Menu id="menu" label="More" icon={<Icon name="more" />}>
          {close => (
            <>
              <p class="menu-head">
                <span>{props.room.room}</span>
                <Quality stats={props.seen.stats()} live={props.seen.live()} />
              </p>
              {tools(close)}
            </>
          )}
        </Menu>
      </Show>
    </header>
  );
}

const QUALITY: Readonly<Record<Stats["quality"], readonly [IconName, string]>> = {
  good: ["signal", "good"],
  fair: ["medium", "fair"],
  poor: ["low", "poor"],
  unknown: ["signal", "not known yet"],
};

function Quality(props: { stats: Stats | null; live: boolean }) {
  const quality = () => (props.live ? (props.stats?.quality ?? "unknown") : "unknown");
  const rtt = () => (props.live ? (props.stats?.rtt ?? null) : null);
  const words = () => {
    if (!props.live) return "Not connected";
    const round = rtt();
    const time = round === null ? "" : `, ${formatMs(round)} round trip`;
    return `Connection ${QUALITY[quality()][1]}${time}`;
  };
  return (
    <span class={`quality ${quality()}`} title={words()} role="img" aria-label={words()}>
      <span class="bars">
        <Icon name="signal" />
        <Icon name={QUALITY[quality()][0]} />
      </span>
      <Show when={rtt() !== null}>
        <span class="number">{formatMs(rtt() ?? 0)}</span>
      </Show>
    </span>
  );
}
