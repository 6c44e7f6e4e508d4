/** One message: what a person said, or what the agent thought, did and answered. */
import { createMemo, For, type JSX, Match, Show, Switch } from "solid-js";
import { shownText } from "../../../core/src/approvals.ts";
import { works } from "../../../core/src/sessions.ts";
import type { Part, Message as Said, Session } from "../../../core/src/sessions-model.ts";
import { isShown, many, money, spentIn, titleOf, wordsOf } from "../../../core/src/transcript.ts";
import { ToolButton } from "../buttons.tsx";
import { Copy } from "./code.tsx";
import { Icon } from "./icon.tsx";
import { Markdown } from "./markdown.tsx";
import { Pictures, ToolCall } from "./tool-call.tsx";

export interface MessageActions {
  onLink: (url: string) => void;
  onRecord: ((seq: number) => void) | null;
  onChild: (session: string) => void;
  /** The subagent's session, as far as it is known. */
  childOf: (call: Extract<Part, { kind: "tool" }>) => Session | undefined;
  /** Null where the agent cannot. */
  onFork: ((message: string) => void) | null;
  onRevert: ((message: string) => void) | null;
}

const sameIds = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((id, at) => id === b[at]);

const TIME = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });

export function Message(props: {
  message: Said;
  /** Nobody has said anything since. */
  isLast: boolean;
  actions: MessageActions;
}) {
  const parts = createMemo(() => props.message.parts.filter(isShown).map(part => part.id), [], {
    equals: sameIds,
  });
  const part = (id: string) => props.message.parts.find(one => one.id === id);
  const isUser = () => props.message.role === "user";
  // What the room says of itself is a person's message to the agent, and nobody's words.
  const isRoom = () => isUser() && props.message.parts.some(one => one.origin === "room");
  // A message is told before its parts: until then there is nothing of a person's to be seen.
  const isEmpty = () => isUser() && parts().length === 0 && props.message.error === null;
  return (
    <article
      class="message"
      hidden={isEmpty()}
      classList={{ user: isUser() && !isRoom(), agent: !isUser(), "from-room": isRoom() }}
      aria-label={isRoom() ? "The room" : isUser() ? "You" : "The agent"}
    >
      <For each={parts()}>
        {id => (
          <Show when={part(id)}>
            {one => <PartView part={one()} message={props.message} actions={props.actions} />}
          </Show>
        )}
      </For>
      <Show when={!isUser() && !props.message.done && props.isLast && parts().length === 0}>
        <Thinking />
      </Show>
      <Show when={props.message.error}>
        {why => (
          <p class="error" role="alert">
            {shownText(why())}
          </p>
        )}
      </Show>
      <Show when={!isRoom() && (isUser() || (props.message.done && wordsOf(props.message) !== ""))}>
        <footer class="message-foot">
          <time
            datetime={new Date(props.message.created).toISOString()}
            title={EXACT.format(props.message.created)}
          >
            {TIME.format(props.message.created)}
          </time>
          <Spent message={props.message} />
          <span class="gap" />
          <span class="message-tools">
            <Show when={isUser() && props.actions.onRevert}>
              {revert => (
                <ToolButton
                  label="Undo from here"
                  title="Undo this and all that came after it"
                  onClick={() => revert()(props.message.id)}
                >
                  <Icon name="undo" />
                </ToolButton>
              )}
            </Show>
            <Show when={isUser() && props.actions.onFork}>
              {fork => (
                <ToolButton
                  label="Fork here"
                  title="Go on from before this in a session of its own"
                  onClick={() => fork()(props.message.id)}
                >
                  <Icon name="fork" />
                </ToolButton>
              )}
            </Show>
            <Copy text={wordsOf(props.message)} label="Copy the words" />
          </span>
        </footer>
      </Show>
    </article>
  );
}

export function Thinking() {
  return (
    <p class="thinking">
      <span class="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span class="unseen">The agent is at work</span>
    </p>
  );
}

function Spent(props: { message: Said }) {
  const words = () => {
    const { cost, tokens } = spentIn(props.message);
    return [tokens > 0 ? `${many(tokens)} ${tokens === 1 ? "token" : "tokens"}` : "", money(cost)]
      .filter(Boolean)
      .join(" · ");
  };
  return (
    <Show when={words()}>
      <span class="spent" title="What the agent wrote, and what it cost as the agent reckons">
        {words()}
      </span>
    </Show>
  );
}

type Of<K extends Part["kind"]> = Extract<Part, { kind: K }>;

function PartView(props: { part: Part; message: Said; actions: MessageActions }): JSX.Element {
  const of = <K extends Part["kind"]>(kind: K): Of<K> | null =>
    props.part.kind === kind ? (props.part as Of<K>) : null;
  return (
    <Switch>
      <Match when={of("text")}>
        {text => (
          <Switch fallback={<Markdown text={text().text} onLink={props.actions.onLink} />}>
            <Match when={text().origin === "room"}>
              <p class="room-note">{shownText(text().text)}</p>
            </Match>
            <Match when={props.message.role === "user"}>
              <p class="said" dir="auto">
                {text().text}
              </p>
            </Match>
          </Switch>
        )}
      </Match>
      <Match when={of("reasoning")}>
        {thought => (
          <details class="reasoning">
            <summary>
              <Icon name="right" />
              {thought().done ? "Thought about it" : "Thinking"}
            </summary>
            <Markdown text={thought().text} onLink={props.actions.onLink} />
          </details>
        )}
      </Match>
      <Match when={of("tool")}>
        {call => (
          <>
            <ToolCall call={call()} onRecord={props.actions.onRecord} />
            <Show when={call().child}>
              {id => {
                const child = () => props.actions.childOf(call());
                return (
                  <button
                    type="button"
                    class="child-link"
                    onClick={() => props.actions.onChild(id())}
                  >
                    <Icon name="child" />
                    <bdi class="words">{titleOf(child() ?? { title: "", parent: id() })}</bdi>
                    <span class="small">{works(child()) ? "at work" : "look at it"}</span>
                  </button>
                );
              }}
            </Show>
          </>
        )}
      </Match>
      <Match when={of("file")}>{file => <Pictures files={[file()]} />}</Match>
      <Match when={of("patch")}>
        {patch => (
          <p class="touched">
            <Icon name="diff" />
            <span>
              {patch().files.length === 1 ? "Changed " : `Changed ${patch().files.length} files: `}
              <For each={patch().files}>
                {(file, at) => (
                  <>
                    {at() > 0 ? ", " : ""}
                    <code title={file}>{file.split("/").at(-1)}</code>
                  </>
                )}
              </For>
            </span>
          </p>
        )}
      </Match>
    </Switch>
  );
}
