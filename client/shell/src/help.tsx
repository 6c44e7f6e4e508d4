/** What agents ask of people: a card each, over the picture's lower edge. */
import { createEffect, createSignal, For, Show } from "solid-js";
import { type HelpRequest, paintOf } from "../../core/src/index.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import { AnswerButton } from "./buttons.tsx";
import type { Seen } from "./follow.ts";
import { type Helping, isMarkup } from "./helping.ts";
import { Icon } from "./icons.tsx";
import { Markup } from "./markup.tsx";

interface HelpProps {
  room: TandemRoom;
  seen: Seen;
  helping: Helping;
}

export function Help(props: HelpProps) {
  return (
    <section
      class="helps"
      aria-label="Requests for help"
      aria-live="polite"
      ref={element => props.helping.setPlace(element)}
    >
      <For each={props.helping.ids()}>
        {id => (
          <Show when={props.helping.one(id)}>{help => <Card {...props} help={help()} />}</Show>
        )}
      </For>
    </section>
  );
}

function Card(props: HelpProps & { help: HelpRequest }) {
  const agent = () => props.help.agent;
  const isMine = () => props.helping.isMine(props.help);
  // The picture as it was when the request was taken up: the agent's own is of that moment too.
  const [still, setStill] = createSignal<string | null>(null);
  createEffect(() => {
    if (!isMarkup(props.help) || !isMine() || still() !== null) return;
    setStill(props.room.still());
    props.helping.draw(props.help.id);
  });
  // Folded by its title, as what is asked for may lie below the card.
  return (
    <details class="help" open style={{ "--_actor": paintOf(agent()) }}>
      <summary class="help-title">
        <Icon name="bot" />
        {props.helping.title(props.help)}
      </summary>
      <HelpForm helping={props.helping} help={props.help} mayAct={props.seen.mayAct()} />
      <Show when={isMine() && props.helping.drawing() === props.help.id && props.seen.view()}>
        {view => (
          <Markup
            agent={agent().name}
            reason={props.help.reason}
            picture={still() ?? ""}
            size={view().size}
            onSend={(marks, words) =>
              props.room.answerHelp(props.help.id, { kind: "done", note: words, marks })
            }
            onClose={() => props.helping.draw(null)}
          />
        )}
      </Show>
    </details>
  );
}

/** What is asked for and the answers to it, wherever it is shown. */
export function HelpForm(props: { helping: Helping; help: HelpRequest; mayAct: boolean }) {
  const { helping } = props;
  const isMine = () => helping.isMine(props.help);
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        if (!isMine()) helping.accept(props.help);
        else if (isMarkup(props.help)) helping.draw(props.help.id);
        else helping.finish(props.help, "done");
      }}
    >
      <p class="help-reason">{props.help.reason}</p>
      <Show when={props.mayAct}>
        <Show when={isMine()}>
          <input
            class="help-note"
            aria-label={`A note for ${props.help.agent.name}`}
            placeholder={`A note for ${props.help.agent.name}`}
            maxlength={500}
            autocomplete="off"
            value={helping.note(props.help.id)}
            onInput={event => helping.setNote(props.help.id, event.currentTarget.value)}
          />
        </Show>
        <Show when={isMine() || props.help.helper === null}>
          <div class="answers">
            <AnswerButton onClick={() => helping.finish(props.help, "decline")}>
              {isMine() ? "I cannot" : "Decline"}
            </AnswerButton>
            <AnswerButton type="submit" main>
              {!isMine() ? "I'll do it" : isMarkup(props.help) ? "Mark up" : "Done"}
            </AnswerButton>
          </div>
        </Show>
      </Show>
    </form>
  );
}
