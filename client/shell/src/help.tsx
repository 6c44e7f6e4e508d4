/** What agents ask of people: a card each, over the picture's lower edge. */
import { createEffect, createSignal, For, Show } from "solid-js";
import { type HelpRequest, paintOf } from "../../core/src/index.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import type { Seen } from "./follow.ts";
import { Icon } from "./icons.tsx";
import { Markup } from "./markup.tsx";

export function Help(props: { room: TandemRoom; seen: Seen }) {
  const ids = () =>
    props.seen.joined() ? (props.seen.view()?.help ?? []).map(help => help.id) : [];
  const one = (id: number) => props.seen.view()?.help.find(help => help.id === id);
  return (
    <section class="helps" aria-label="Requests for help" aria-live="polite">
      <For each={ids()}>
        {id => (
          <Show when={one(id)}>
            {help => <Card help={help()} room={props.room} seen={props.seen} />}
          </Show>
        )}
      </For>
    </section>
  );
}

function Card(props: { help: HelpRequest; room: TandemRoom; seen: Seen }) {
  const [note, setNote] = createSignal("");
  const agent = () => props.help.agent;
  const helper = () => props.help.helper;
  const isMine = () => helper() !== null && helper()?.id === props.seen.you()?.id;
  const isMarkup = () => props.help.task === "annotate";
  // The picture as it was when the request was taken up: the agent's own is of that moment too.
  const [still, setStill] = createSignal<string | null>(null);
  const [drawing, setDrawing] = createSignal(false);
  createEffect(() => {
    if (!isMarkup() || !isMine() || still() !== null) return;
    setStill(props.room.still());
    setDrawing(true);
  });
  const title = () => {
    if (isMarkup() && !helper()) return `${agent().name} asks you to mark up the page`;
    if (isMine()) return `You are helping ${agent().name}`;
    const other = helper();
    return other ? `${other.name} is helping ${agent().name}` : `${agent().name} asks for help`;
  };
  const accept = () => {
    props.room.answerHelp(props.help.id, { kind: "accept" });
    if (!isMarkup()) props.room.focus();
  };
  const finish = (kind: "done" | "decline") =>
    props.room.answerHelp(props.help.id, { kind, note: note() });
  // Folded by its title, as what is asked for may lie below the card.
  return (
    <details class="help" open style={{ "--_actor": paintOf(agent()) }}>
      <summary class="help-title">
        <Icon name="bot" />
        {title()}
      </summary>
      <form
        onSubmit={event => {
          event.preventDefault();
          if (!isMine()) accept();
          else if (isMarkup()) setDrawing(true);
          else finish("done");
        }}
      >
        <p class="help-reason">{props.help.reason}</p>
        <Show when={props.seen.mayAct()}>
          <Show when={isMine()}>
            <input
              class="help-note"
              aria-label={`A note for ${agent().name}`}
              placeholder={`A note for ${agent().name}`}
              maxlength={500}
              value={note()}
              onInput={event => setNote(event.currentTarget.value)}
            />
          </Show>
          <Show when={isMine() || helper() === null}>
            <div class="answers">
              <button type="button" class="answer" onClick={() => finish("decline")}>
                {isMine() ? "I cannot" : "Decline"}
              </button>
              <button type="submit" class="answer main">
                {!isMine() ? "I'll do it" : isMarkup() ? "Mark up" : "Done"}
              </button>
            </div>
          </Show>
        </Show>
      </form>
      <Show when={isMine() && drawing() && props.seen.view()}>
        {view => (
          <Markup
            agent={agent().name}
            reason={props.help.reason}
            picture={still() ?? ""}
            size={view().size}
            onSend={(marks, words) =>
              props.room.answerHelp(props.help.id, { kind: "done", note: words, marks })
            }
            onClose={() => setDrawing(false)}
          />
        )}
      </Show>
    </details>
  );
}
