/**
 * Who may act, and what can be done about it: the strip in the bar with the
 * menu of modes, and the one button that takes over and hands back.
 */
import { For, Show } from "solid-js";
import {
  actingOf,
  type FloorAsk,
  MODE_ORDER,
  MODES,
  mainAsk,
  offersOf,
  type Presence,
  paintOf,
  whoAsks,
  whoWaits,
} from "../../core/src/index.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import { AnswerButton } from "./buttons.tsx";
import { CHORDS, LEAVE_SHOWN } from "./chords.ts";
import { matches, type Seen } from "./follow.ts";
import { Icon } from "./icons.tsx";
import { createMenu } from "./menu.tsx";

export interface FloorProps {
  room: TandemRoom;
  seen: Seen;
}

/** On a phone, who waits is told beside the button under the thumb: the bar has no room for it. */
type Placed = FloorProps & { narrow: boolean };

export const colourStyle = (who: Pick<Presence, "id" | "kind" | "colour">) => ({
  "--_actor": paintOf(who),
});

const offers = (seen: Seen) => offersOf(seen.view(), seen.you(), seen.mayAct());

export function FloorStrip(props: Placed) {
  const menu = createMenu();
  const you = () => props.seen.you()?.id ?? null;
  const acting = () => actingOf(props.seen.view(), you());
  const mode = () => props.seen.view()?.floor.mode ?? "together";
  const ask = (what: FloorAsk) => {
    props.room.askFloor(what);
    menu.close();
  };
  return (
    <div class="strip" classList={{ quiet: acting().words === "" }} ref={menu.holder}>
      <button
        type="button"
        class="mode"
        ref={menu.opener}
        aria-expanded={menu.open()}
        aria-controls="modes"
        aria-label={`${MODES[mode()].name}. Who may act`}
        title={MODES[mode()].line}
        onClick={menu.toggle}
      >
        <span class="words">{MODES[mode()].name}</span>
        <Icon name="down" />
      </button>
      <div class="acting-line" role="status">
        <span class="unseen">{MODES[mode()].name}</span>
        <Show when={acting().words}>
          <span
            class="pill"
            classList={{ nobody: acting().who === null }}
            style={colourStyle(acting().who ?? { id: "", kind: "person" })}
          >
            <Show when={acting().who}>
              {who => <Icon name={who().kind === "agent" ? "bot" : "pointer"} />}
            </Show>
            <span class="words">{acting().words}</span>
          </span>
        </Show>
        <Show when={!(props.narrow && props.seen.mayAct()) && whoWaits(props.seen.view())}>
          {words => <span class="waits">{words()}</span>}
        </Show>
      </div>
      <Show when={menu.open()}>
        <FloorMenu {...props} onAsk={ask} />
      </Show>
    </div>
  );
}

function FloorMenu(props: FloorProps & { onAsk: (ask: FloorAsk) => void }) {
  const touch = matches("(pointer: coarse)");
  const can = () => offers(props.seen);
  const mode = () => props.seen.view()?.floor.mode ?? "together";
  const asks = (who: Presence) =>
    props.seen.view()?.floor.requests.some(each => each.id === who.id) ?? false;
  const shown = () => (can().modes.length > 0 ? MODE_ORDER : [mode()]);
  return (
    <div class="menu floor-menu" id="modes">
      <h2 class="menu-title">Who may act</h2>
      <ul class="plain-list">
        <For each={shown()}>
          {each => (
            <li>
              <Show
                when={can().modes.length > 0}
                fallback={
                  <p class="mode-choice">
                    <b>{MODES[each].name}</b>
                    <span>{MODES[each].line}</span>
                  </p>
                }
              >
                <button
                  type="button"
                  class="mode-choice"
                  aria-pressed={each === mode()}
                  onClick={() => props.onAsk({ kind: "mode", mode: each })}
                >
                  <b>{MODES[each].name}</b>
                  <span>{MODES[each].line}</span>
                </button>
              </Show>
            </li>
          )}
        </For>
      </ul>
      <Show when={can().give.length > 0}>
        <h2 class="menu-title">Give to</h2>
        <ul class="plain-list">
          <For each={can().give}>
            {who => (
              <li>
                <button
                  type="button"
                  class="give"
                  style={colourStyle(who)}
                  aria-label={`Give to ${who.name}${asks(who) ? ", who asks" : ""}`}
                  onClick={() => props.onAsk({ kind: "give", to: who.id })}
                >
                  <Icon name={who.kind === "agent" ? "bot" : "user"} />
                  <span class="words">{who.name}</span>
                  <Show when={asks(who)}>
                    <span class="asks">asks</span>
                  </Show>
                </button>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <Show when={!touch()}>
        <h2 class="menu-title">Keys</h2>
        <dl class="keys">
          <Show when={props.seen.mayAct()}>
            <dt>Take over, hand back</dt>
            <dd>
              <kbd>{CHORDS.floor.shown}</kbd>
            </dd>
            <dt>To a question, then yes once</dt>
            <dd>
              <kbd>{CHORDS.card.shown}</kbd>
            </dd>
          </Show>
          <dt>Leave the picture</dt>
          <dd>
            <kbd>{LEAVE_SHOWN}</kbd>
          </dd>
        </dl>
      </Show>
    </div>
  );
}

/** The buttons: in the bar on a desktop, under the thumb on a phone. */
export function FloorActions(
  props: Placed & { note: string; onNote: (note: string) => void; onMain: () => void },
) {
  const can = () => offers(props.seen);
  const handsBack = () => can().main === "hand-back";
  const next = () => can().give.find(who => who.id === props.seen.view()?.floor.requests[0]?.id);
  const asking = () => whoAsks(props.seen.view(), props.seen.you()?.id ?? null);
  const waits = () => (props.narrow && !asking() ? whoWaits(props.seen.view()) : "");
  const takenOver = () => props.seen.view()?.floor.takeover?.id === props.seen.you()?.id;
  return (
    <form
      class="floor-actions"
      aria-label="Who acts"
      onSubmit={event => {
        event.preventDefault();
        props.onMain();
      }}
    >
      <Show when={waits()}>
        {words => (
          <span class="waits" role="status">
            {words()}
          </span>
        )}
      </Show>
      <Show when={next()}>
        {who => (
          <span class="asking">
            <span class="words" role="status">
              {asking()}
            </span>
            <AnswerButton onClick={() => props.room.askFloor({ kind: "give", to: who().id })}>
              Give to {who().name}
            </AnswerButton>
          </span>
        )}
      </Show>
      <Show when={can().ask}>
        {ask => (
          <AnswerButton onClick={() => props.room.askFloor({ kind: "request" })}>
            {ask().atOnce ? "Take the turn" : `Ask ${ask().of.name}`}
          </AnswerButton>
        )}
      </Show>
      <Show when={can().withdraw}>
        <AnswerButton
          title="You have asked for a turn"
          onClick={() => props.room.askFloor({ kind: "withdraw" })}
        >
          Stop asking
        </AnswerButton>
      </Show>
      <Show when={can().private}>
        {what => (
          <button
            type="button"
            class="private-button"
            classList={{ on: what() === "end" }}
            aria-pressed={what() === "end"}
            aria-label="Private"
            title={
              what() === "end"
                ? "End it: agents and viewers see the page again, without what was typed"
                : "Be alone with the page: agents and viewers see nothing. For passwords it happens by itself"
            }
            onClick={() => props.room.askFloor({ kind: "private", on: what() === "begin" })}
          >
            <Icon name={what() === "end" ? "eyeOff" : "eye"} />
            <span class="words">{what() === "end" ? "End private" : "Private"}</span>
          </button>
        )}
      </Show>
      <Show when={takenOver()}>
        <input
          class="note"
          aria-label="Tell the agents, when you hand back"
          placeholder="Tell the agents…"
          maxlength={500}
          autocomplete="off"
          value={props.note}
          onInput={event => props.onNote(event.currentTarget.value)}
        />
      </Show>
      <Show when={can().main}>
        {/* One button: it keeps its place and its focus when it becomes the other. */}
        <button
          type="submit"
          class="floor-button"
          classList={{ back: handsBack(), beside: takenOver() || waits() !== "" }}
          title={`${handsBack() ? "Let the agents go on" : "Have it for yourself; agents stop"} (${CHORDS.floor.shown})`}
          aria-keyshortcuts={CHORDS.floor.aria}
        >
          <Icon name={handsBack() ? "undo" : "hand"} />
          <span>{handsBack() ? "Hand back" : "Take over"}</span>
        </button>
      </Show>
    </form>
  );
}

/** What the button and its chord do, with the note that is being written. */
export function floorMain(props: FloorProps, note: string): boolean {
  const ask = mainAsk(offers(props.seen), note);
  if (!ask) return false;
  props.room.askFloor(ask);
  return true;
}
