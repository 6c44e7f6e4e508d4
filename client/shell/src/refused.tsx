/** Said at the moment when a person's hands do nothing: why, and the way out. Once, not for every key. */
import { createEffect, createSignal, onCleanup, Show } from "solid-js";
import { offersOf, type Refused, refusalOf } from "../../core/src/index.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import { AnswerButton, ToolButton } from "./buttons.tsx";
import type { Seen } from "./follow.ts";
import { Icon } from "./icons.tsx";

const STAYS_MS = 6000;

export function RefusedNotice(props: { room: TandemRoom; seen: Seen }) {
  const [shown, setShown] = createSignal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const now = () => refusalOf(props.seen.view(), props.seen.you(), props.seen.mayAct());
  const tried = (_event: CustomEvent<Refused>) => {
    setShown(true);
    clearTimeout(timer);
    timer = setTimeout(() => setShown(false), STAYS_MS);
  };
  props.room.addEventListener("refused", tried);
  onCleanup(() => {
    clearTimeout(timer);
    props.room.removeEventListener("refused", tried);
  });
  createEffect(() => {
    if (now() === null || !props.seen.joined()) setShown(false);
  });
  const words = () => now()?.words ?? "";
  const has = (way: "take-over" | "ask") => now()?.ways.includes(way) ?? false;
  const ask = () => offersOf(props.seen.view(), props.seen.you(), props.seen.mayAct()).ask;
  const go = (kind: "takeover" | "request") => {
    props.room.askFloor({ kind });
    props.room.focus();
  };
  return (
    <div class="refusals" role="alert">
      <Show when={shown() && words()}>
        <div class="refusal">
          <p>{words()}</p>
          <Show when={has("ask") && ask()}>
            {asked => (
              <AnswerButton onClick={() => go("request")}>
                {asked().atOnce ? "Take the turn" : `Ask ${asked().of.name}`}
              </AnswerButton>
            )}
          </Show>
          <Show when={has("take-over")}>
            <AnswerButton onClick={() => go("takeover")}>Take over</AnswerButton>
          </Show>
          <ToolButton label="Close" onClick={() => setShown(false)}>
            <Icon name="close" />
          </ToolButton>
        </div>
      </Show>
    </div>
  );
}
