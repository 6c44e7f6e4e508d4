/** What the agent may not do without a yes, just above where one writes, with what it is for. */
import { createSignal, For, Show } from "solid-js";
import { shownText } from "../../../core/src/approvals.ts";
import type { Permission } from "../../../core/src/sessions-model.ts";
import { diffOfTool, inputOf, wordsOfTool } from "../../../core/src/transcript.ts";
import { AnswerButton } from "../buttons.tsx";
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
        <AnswerButton
          type="submit"
          disabled={sent()}
          title={word().trim() ? "No; it reads your word and goes on" : "No; its turn ends"}
        >
          Deny
        </AnswerButton>
        <span class="gap" />
        <Show when={props.permission.always.length > 0}>
          <AnswerButton
            disabled={sent()}
            title={`Yes to ${props.permission.always.join(", ")}, until the agent restarts`}
            onClick={() => void give("always")}
          >
            Always
          </AnswerButton>
        </Show>
        <AnswerButton
          main
          disabled={sent()}
          title="Yes, this time"
          onClick={() => void give("once")}
        >
          Once
        </AnswerButton>
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
