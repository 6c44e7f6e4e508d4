/**
 * Questions of the agent's, which stand where they are seen: beside the
 * conversation and over the picture, with one state behind both.
 */
import { type Accessor, createSignal, For, Show } from "solid-js";
import { Portal } from "solid-js/web";
import { shownText } from "../../../core/src/approvals.ts";
import type { Question, QuestionItem } from "../../../core/src/sessions-model.ts";
import { AnswerButton } from "../buttons.tsx";
import { Icon } from "./icon.tsx";

export interface Answering {
  question: Accessor<Question>;
  chosen: (at: number) => readonly string[];
  toggle: (at: number, label: string) => void;
  own: (at: number) => string;
  setOwn: (at: number, words: string) => void;
  complete: Accessor<boolean>;
  /** It is on its way; one that was refused is open again. */
  sent: Accessor<boolean>;
  /** Null refuses to answer. */
  give: (refuses?: "refuses") => void;
}

export function createAnswering(
  question: Accessor<Question>,
  onAnswer: (answers: string[][] | null) => Promise<unknown>,
): Answering {
  const items = () => question().items;
  const [chosen, setChosen] = createSignal<readonly (readonly string[])[]>(items().map(() => []));
  const [own, setOwn] = createSignal<readonly string[]>(items().map(() => ""));
  const [sent, setSent] = createSignal(false);
  const put = (at: number, labels: readonly string[]) =>
    setChosen(all => all.map((one, n) => (n === at ? labels : one)));
  const answers = () =>
    items().map((_, at) => {
      const written = own()[at]?.trim();
      return [...(chosen()[at] ?? []), ...(written ? [written] : [])];
    });
  const complete = () => answers().every(one => one.length > 0);
  return {
    question,
    chosen: at => chosen()[at] ?? [],
    toggle: (at, label) => {
      const before = chosen()[at] ?? [];
      if (!items()[at]?.multiple) {
        put(at, [label]);
        setOwn(all => all.map((one, n) => (n === at ? "" : one)));
      } else if (before.includes(label)) {
        put(
          at,
          before.filter(one => one !== label),
        );
      } else put(at, [...before, label]);
    },
    own: at => own()[at] ?? "",
    setOwn: (at, words) => {
      setOwn(all => all.map((one, n) => (n === at ? words : one)));
      // One answer is wanted: what is written takes the place of what was chosen.
      if (words.trim() && !items()[at]?.multiple) put(at, []);
    },
    complete,
    sent,
    give: async refuses => {
      if (sent() || (!refuses && !complete())) return;
      setSent(true);
      await onAnswer(refuses ? null : answers());
      setSent(false);
    },
  };
}

/** Beside the conversation. */
export function QuestionAsk(props: { answering: Answering; from: string | null }) {
  return (
    <section class="ask" aria-label="The agent has a question">
      <h3>
        <Icon name="chat" />
        <span class="words">{whoAsks(props.from)}</span>
      </h3>
      <QuestionForm answering={props.answering} name="panel" />
    </section>
  );
}

/** Over the picture; folded to its title where it is asked beside it as well. */
export function QuestionCard(props: {
  answering: Answering;
  from: string | null;
  place: HTMLElement;
  folded: boolean;
}) {
  return (
    <Portal mount={props.place}>
      <details class="help question-card" open={!props.folded}>
        <summary class="help-title">
          <Icon name="chat" />
          {whoAsks(props.from)}
        </summary>
        <QuestionForm answering={props.answering} name="picture" />
      </details>
    </Portal>
  );
}

const whoAsks = (from: string | null) => (from ? `${from} asks` : "The agent asks");

function QuestionForm(props: { answering: Answering; name: string }) {
  const { answering } = props;
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        answering.give();
      }}
    >
      <For each={answering.question().items}>
        {(item, at) => (
          <Item
            item={item}
            at={at()}
            answering={answering}
            name={`${props.name}-${answering.question().id}-${at()}`}
          />
        )}
      </For>
      <div class="ask-answers">
        <AnswerButton disabled={answering.sent()} onClick={() => answering.give("refuses")}>
          I won't say
        </AnswerButton>
        <span class="gap" />
        <AnswerButton type="submit" main disabled={answering.sent() || !answering.complete()}>
          Answer
        </AnswerButton>
      </div>
    </form>
  );
}

function Item(props: { item: QuestionItem; at: number; answering: Answering; name: string }) {
  const { answering } = props;
  return (
    <fieldset class="question">
      <legend>{shownText(props.item.text || props.item.header)}</legend>
      <For each={props.item.options}>
        {option => (
          <label class="option">
            <input
              type={props.item.multiple ? "checkbox" : "radio"}
              name={props.name}
              checked={answering.chosen(props.at).includes(option.label)}
              onChange={() => answering.toggle(props.at, option.label)}
            />
            <span>
              <b>{shownText(option.label)}</b>
              <Show when={option.description}>
                <span class="small">{shownText(option.description)}</span>
              </Show>
            </span>
          </label>
        )}
      </For>
      <input
        class="note"
        aria-label="Another answer"
        placeholder="Another answer"
        maxlength={1000}
        autocomplete="off"
        value={answering.own(props.at)}
        onInput={event => answering.setOwn(props.at, event.currentTarget.value)}
      />
    </fieldset>
  );
}
