/** The smaller parts of the panel: what is amiss, what to begin with, the plan, what is asked for, what it cost. */
import { createSignal, For, type JSX, onCleanup, Show } from "solid-js";
import type { Session, Todo } from "../../../core/src/sessions-model.ts";
import { many, spentWords } from "../../../core/src/transcript.ts";
import { AnswerButton, ToolButton } from "../buttons.tsx";
import type { Seen } from "../follow.ts";
import { HelpForm } from "../help.tsx";
import type { Helping } from "../helping.ts";
import type { Copilot } from "./copilot.ts";
import { Icon } from "./icon.tsx";

/** What is amiss, in a sentence with what to do. */
export function Banner(props: { copilot: Copilot }): JSX.Element {
  const { copilot } = props;
  const agent = () => copilot.state().agent;
  const [now, setNow] = createSignal(Date.now());
  const clock = setInterval(() => setNow(Date.now()), 1000);
  onCleanup(() => clearInterval(clock));
  const words = (): { text: string; again?: boolean } | null => {
    if (copilot.connection() === "refused") {
      return { text: "This link does not let you talk to the agent." };
    }
    const state = agent();
    if (state?.state === "restarting") {
      return { text: `The agent stopped and is coming back. ${state.reason}` };
    }
    if (state?.state !== "failed" && copilot.connection() === "lost") {
      return { text: "Connection lost, trying again." };
    }
    if (state?.state === "ready" && state.notice) return { text: state.notice };
    const session = copilot.session();
    if (session?.state === "retrying") {
      const left = Math.max(0, Math.ceil((session.until - now()) / 1000));
      return {
        text: `The model did not answer: ${session.reason} It is asked again in ${left} s.`,
      };
    }
    const last = copilot.transcript()?.messages.at(-1);
    if (session?.state === "failed" && !last?.error) {
      return { text: `The agent stopped: ${session.reason}` };
    }
    return null;
  };
  return (
    <>
      <Show when={words()}>
        {banner => (
          <p class="banner" role="status">
            {banner().text}
          </p>
        )}
      </Show>
      <Show when={agent()?.state !== "failed" && copilot.trouble()}>
        {trouble => (
          <p class="banner wrong" role="alert">
            <span>{trouble()}</span>
            <ToolButton label="Close" onClick={copilot.forgive}>
              <Icon name="close" />
            </ToolButton>
          </p>
        )}
      </Show>
    </>
  );
}

/** Before anything was said; or why nothing can be. */
export function Intro(props: { copilot: Copilot }) {
  const agent = () => props.copilot.state().agent;
  const failed = () => {
    const state = agent();
    return state?.state === "failed" ? state.reason : null;
  };
  return (
    <div class="intro">
      <Show
        when={failed()}
        fallback={
          <>
            <Icon name="bot" />
            <p class="intro-line">Tell the agent what to do in this browser.</p>
            <p class="small">
              {agent()?.state === "starting"
                ? "It is starting."
                : "You see it act in the picture, and can take over at any time."}
            </p>
          </>
        }
      >
        {why => (
          <>
            <Icon name="failed" />
            <p class="intro-line">The agent cannot be started.</p>
            <p class="why">{why()}</p>
            <AnswerButton main onClick={props.copilot.start}>
              Try again
            </AnswerButton>
          </>
        )}
      </Show>
    </div>
  );
}

export function Plan(props: { todos: readonly Todo[] }) {
  const done = () => props.todos.filter(one => one.state === "completed").length;
  const current = () => props.todos.find(one => one.state === "in_progress");
  const STATES: Readonly<Record<string, string>> = {
    pending: "To do",
    in_progress: "Now",
    completed: "Done",
    cancelled: "Dropped",
  };
  return (
    <details class="plan">
      <summary>
        <Icon name="todo" />
        <span class="words">
          {done()} of {props.todos.length} done
          {current() ? `: ${current()?.text}` : ""}
        </span>
        <Icon name="right" />
      </summary>
      <ul class="plain-list">
        <For each={props.todos}>
          {todo => (
            <li class={todo.state}>
              <span class="plan-state">{STATES[todo.state] ?? todo.state}</span>
              <bdi>{todo.text}</bdi>
            </li>
          )}
        </For>
      </ul>
    </details>
  );
}

/** The same requests as over the picture, for who looks here. */
export function HelpAsks(props: { seen: Seen; helping: Helping }) {
  return (
    <For each={props.helping.ids()}>
      {id => (
        <Show when={props.helping.one(id)}>
          {help => (
            <section class="ask" aria-label={props.helping.title(help())}>
              <h3>
                <Icon name="hand" />
                <span class="words">{props.helping.title(help())}</span>
              </h3>
              <HelpForm helping={props.helping} help={help()} mayAct={props.seen.mayAct()} />
            </section>
          )}
        </Show>
      )}
    </For>
  );
}

/** What the session came to, and how full the model's memory is. */
export function Used(props: { session: Session | undefined }) {
  const words = () => {
    const { session } = props;
    if (!session) return "";
    const { context } = session;
    const share =
      context?.limit && context.limit > 0
        ? `${Math.min(100, Math.round((context.used / context.limit) * 100))} % of its memory used`
        : context && context.used > 0
          ? `${many(context.used)} tokens in its memory`
          : "";
    return [spentWords(session), share].filter(Boolean).join(" · ");
  };
  return <Show when={words()}>{words()}</Show>;
}
