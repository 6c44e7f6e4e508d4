/**
 * What the agent wants of a person, just above where they write: permissions
 * with what they are for, questions, and requests for help.
 */
import { createSignal, For, Show } from "solid-js";
import { shownText } from "../../../core/src/approvals.ts";
import type { Permission, Question, QuestionItem } from "../../../core/src/sessions-model.ts";
import { diffOfTool, inputOf, wordsOfTool } from "../../../core/src/transcript.ts";
import { Code, DiffView } from "./code.tsx";
import { Icon } from "./icon.tsx";

export type Verdict = "once" | "always" | "reject";

export function PermissionAsk(props: {
  permission: Permission;
  /** It is asked by an agent that the session's agent has started. */
  from: string | null;
  onAnswer: (verdict: Verdict, message: string) => Promise<unknown>;
}) {
  const [word, setWord] = createSignal("");
  const [sent, setSent] = createSignal(false);
  const call = () => ({
    name: props.permission.tool,
    title: props.permission.patterns.join(", "),
    input: props.permission.input ?? {},
  });
  const words = () => wordsOfTool(call());
  const command = () => inputOf(call()).find(([name]) => name === "command")?.[1] ?? null;
  const rest = () =>
    inputOf(call()).filter(([name]) => name !== "command" && name !== "description");
  const why = () => inputOf(call()).find(([name]) => name === "description")?.[1] ?? "";
  const give = async (verdict: Verdict) => {
    if (sent()) return;
    setSent(true);
    await props.onAnswer(verdict, word().trim());
    // One that was refused is open again; one that was taken has left by then.
    setSent(false);
  };
  return (
    <form
      class="ask"
      aria-label={`The agent wants a yes: ${words().verb} ${words().object}`}
      onSubmit={event => {
        event.preventDefault();
        void give("reject");
      }}
    >
      <h3>
        <Icon name="hand" />
        <span class="words">
          {props.from ? `${props.from} wants a yes` : "The agent wants a yes"}
        </span>
      </h3>
      <p class="what">
        <Show when={command()} fallback={words().verb}>
          Run a command
        </Show>{" "}
        <Show when={!command()}>
          <bdi class="place">{shownText(words().object)}</bdi>
        </Show>
        <Show when={command() && why()}>
          <span class="small">(“{shownText(why())}”, as the agent says)</span>
        </Show>
      </p>
      <Show
        when={command()}
        fallback={
          <Show
            when={diffOfTool(call())}
            fallback={
              <Show
                when={rest().length > 0}
                fallback={
                  <Show when={!props.permission.complete}>
                    <p class="small">Its arguments are still being written.</p>
                  </Show>
                }
              >
                <dl class="arguments">
                  <For each={rest()}>
                    {([name, value]) => (
                      <>
                        <dt>{shownText(name)}</dt>
                        <dd>{shownText(value)}</dd>
                      </>
                    )}
                  </For>
                </dl>
              </Show>
            }
          >
            {diff => <DiffView diff={diff()} language="" name={words().object} />}
          </Show>
        }
      >
        {line => <Code text={shownText(line())} language="bash" />}
      </Show>
      <input
        class="note"
        aria-label="A word to the agent, if you say no"
        placeholder="A word to the agent, with a no"
        maxlength={500}
        autocomplete="off"
        value={word()}
        onInput={event => setWord(event.currentTarget.value)}
      />
      <div class="ask-answers">
        <button
          type="submit"
          class="answer"
          disabled={sent()}
          title={word().trim() ? "No; it reads your word and goes on" : "No; its turn ends"}
        >
          Deny
        </button>
        <span class="gap" />
        <Show when={props.permission.always.length > 0}>
          <button
            type="button"
            class="answer"
            disabled={sent()}
            title={`Yes to ${props.permission.always.join(", ")}, until the agent restarts`}
            onClick={() => void give("always")}
          >
            Always
          </button>
        </Show>
        <button
          type="button"
          class="answer main"
          disabled={sent()}
          title="Yes, this time"
          onClick={() => void give("once")}
        >
          Once
        </button>
      </div>
      <Show when={props.permission.always.length > 0}>
        <p class="small">
          “Always” is a yes to <code>{shownText(props.permission.always.join(", "))}</code>, until
          the agent restarts.
        </p>
      </Show>
    </form>
  );
}

export function QuestionAsk(props: {
  question: Question;
  onAnswer: (answers: string[][] | null) => Promise<unknown>;
}) {
  const [chosen, setChosen] = createSignal<readonly (readonly string[])[]>(
    props.question.items.map(() => []),
  );
  const [own, setOwn] = createSignal<readonly string[]>(props.question.items.map(() => ""));
  const [sent, setSent] = createSignal(false);
  const answers = () =>
    props.question.items.map((_, at) => {
      const written = own()[at]?.trim();
      return [...(chosen()[at] ?? []), ...(written ? [written] : [])];
    });
  const complete = () => answers().every(one => one.length > 0);
  const toggle = (at: number, label: string, multiple: boolean) =>
    setChosen(all =>
      all.map((one, n) => {
        if (n !== at) return one;
        if (!multiple) return [label];
        return one.includes(label) ? one.filter(each => each !== label) : [...one, label];
      }),
    );
  const give = async (given: string[][] | null) => {
    if (sent()) return;
    setSent(true);
    await props.onAnswer(given);
    setSent(false);
  };
  return (
    <form
      class="ask"
      aria-label="The agent has a question"
      onSubmit={event => {
        event.preventDefault();
        if (complete()) void give(answers());
      }}
    >
      <h3>
        <Icon name="chat" />
        <span class="words">The agent asks</span>
      </h3>
      <For each={props.question.items}>
        {(item, at) => (
          <Item
            item={item}
            name={`${props.question.id}-${at()}`}
            chosen={chosen()[at()] ?? []}
            own={own()[at()] ?? ""}
            onChoose={label => toggle(at(), label, item.multiple)}
            onOwn={words => {
              setOwn(all => all.map((one, n) => (n === at() ? words : one)));
              // One answer is wanted: what is written takes the place of what was chosen.
              if (words.trim() && !item.multiple) {
                setChosen(all => all.map((one, n) => (n === at() ? [] : one)));
              }
            }}
          />
        )}
      </For>
      <div class="ask-answers">
        <button type="button" class="answer" disabled={sent()} onClick={() => void give(null)}>
          I won't say
        </button>
        <span class="gap" />
        <button type="submit" class="answer main" disabled={sent() || !complete()}>
          Answer
        </button>
      </div>
    </form>
  );
}

function Item(props: {
  item: QuestionItem;
  name: string;
  chosen: readonly string[];
  own: string;
  onChoose: (label: string) => void;
  onOwn: (words: string) => void;
}) {
  return (
    <fieldset class="question">
      <legend>{shownText(props.item.text || props.item.header)}</legend>
      <For each={props.item.options}>
        {option => (
          <label class="option">
            <input
              type={props.item.multiple ? "checkbox" : "radio"}
              name={props.name}
              checked={props.chosen.includes(option.label)}
              onChange={() => props.onChoose(option.label)}
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
        value={props.own}
        onInput={event => props.onOwn(event.currentTarget.value)}
      />
    </fieldset>
  );
}
