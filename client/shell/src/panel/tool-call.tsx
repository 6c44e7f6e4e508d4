/** A tool at work, folded to one line: what it does, how it stands, how long it took. */
import { createSignal, For, onCleanup, Show } from "solid-js";
import { shownText } from "../../../core/src/approvals.ts";
import { languageOf } from "../../../core/src/code-colours.ts";
import type { ToolCall as Call, FileView } from "../../../core/src/sessions-model.ts";
import {
  diffOfTool,
  duration,
  inputOf,
  type ToolLook,
  tookMs,
  wordsOfTool,
} from "../../../core/src/transcript.ts";
import { Code, Coloured, Copy, DiffView } from "./code.tsx";
import { Icon, type PanelIcon } from "./icon.tsx";

const ICONS: Readonly<Record<ToolLook, PanelIcon>> = {
  agent: "bot",
  ask: "chat",
  browser: "globe",
  command: "terminal",
  edit: "edit",
  other: "tool",
  read: "file",
  search: "search",
  todo: "todo",
  web: "globe",
};

const STATES: Readonly<Record<Call["state"], string>> = {
  pending: "Being written",
  running: "Running",
  waiting: "Waits for you",
  done: "Done",
  failed: "Failed",
};

/** Shorter than this nobody wants to know. */
const WORTH_MS = 1000;
/** Of an output so much is shown at once. */
const MUCH = 20_000;

export function ToolCall(props: { call: Call; onRecord: ((seq: number) => void) | null }) {
  const words = () => wordsOfTool(props.call);
  const diff = () => diffOfTool(props.call);
  const path = () => inputOf(props.call).find(([name]) => /path/i.test(name))?.[1] ?? "";
  const isOver = () => props.call.state === "done" || props.call.state === "failed";
  const [now, setNow] = createSignal(Date.now());
  const timer = setInterval(() => {
    if (isOver()) clearInterval(timer);
    else setNow(Date.now());
  }, 1000);
  onCleanup(() => clearInterval(timer));
  const took = () => {
    const ms = tookMs(props.call, now());
    return ms !== null && ms >= WORTH_MS && props.call.state !== "waiting" ? duration(ms) : "";
  };
  const [open, setOpen] = createSignal(false);
  return (
    <details
      class={`call ${props.call.state}`}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>
        <Icon name={ICONS[words().look]} />
        <span class="call-words">
          <b>{words().verb}</b> <bdi>{shownText(words().object)}</bdi>
        </span>
        <Show when={diff()}>
          {changed => (
            <span class="counts">
              <span class="added">+{changed().added}</span>{" "}
              <span class="removed">−{changed().removed}</span>
            </span>
          )}
        </Show>
        <span class="took">{took()}</span>
        <span class="call-state" title={STATES[props.call.state]}>
          <Icon
            name={
              props.call.state === "done"
                ? "check"
                : props.call.state === "failed"
                  ? "failed"
                  : props.call.state === "waiting"
                    ? "hand"
                    : "loader"
            }
          />
          <span class="unseen">{STATES[props.call.state]}</span>
        </span>
      </summary>
      {/* Nothing is drawn that nobody looks at. */}
      <Show when={open()}>
        <div class="call-body">
          <Show when={diff()} fallback={<Input call={props.call} />}>
            {changed => (
              <>
                <p class="small path">{path()}</p>
                <DiffView diff={changed()} language={languageOf(path())} name={path()} />
              </>
            )}
          </Show>
          <Show when={props.call.output}>
            <Output text={props.call.output} failed={props.call.state === "failed"} />
          </Show>
          <p class="call-foot">
            <code>{props.call.name}</code>
            <Show
              when={props.onRecord && props.call.record !== null && props.call.record !== undefined}
            >
              <button
                type="button"
                class="link"
                onClick={() => props.onRecord?.(props.call.record ?? 0)}
              >
                In the timeline
              </button>
            </Show>
          </p>
        </div>
      </Show>
      <Show when={props.call.images.length > 0 && open()}>
        <Pictures files={props.call.images} />
      </Show>
    </details>
  );
}

function Input(props: { call: Call }) {
  const command = () => {
    const given = inputOf(props.call).find(([name]) => name === "command");
    return given?.[1] ?? null;
  };
  return (
    <Show
      when={command()}
      fallback={
        <Show when={inputOf(props.call).length > 0}>
          <dl class="arguments">
            <For each={inputOf(props.call)}>
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
      {line => <Code text={line()} language="bash" />}
    </Show>
  );
}

function Output(props: { text: string; failed: boolean }) {
  const [all, setAll] = createSignal(false);
  const shown = () => (all() ? props.text : props.text.slice(0, MUCH));
  return (
    <div class="code output" classList={{ failed: props.failed }}>
      <Copy text={props.text} label="Copy the output" />
      <pre tabindex="0">
        <Coloured text={shown()} language="text" />
      </pre>
      <Show when={!all() && props.text.length > MUCH}>
        <button type="button" class="link" onClick={() => setAll(true)}>
          Show all of it
        </button>
      </Show>
    </div>
  );
}

const isPicture = (file: FileView): boolean =>
  /^data:image\/(png|jpeg|gif|webp|avif);base64,/.test(file.url);

export function Pictures(props: { files: readonly FileView[] }) {
  return (
    <ul class="pictures" aria-label="Files">
      <For each={props.files}>
        {file => (
          <li>
            <Show
              when={isPicture(file)}
              fallback={
                <span class="chip">
                  <Icon name="file" />
                  <bdi>{shownText(file.name)}</bdi>
                </span>
              }
            >
              <Picture file={file} />
            </Show>
          </li>
        )}
      </For>
    </ul>
  );
}

/** Small, and large when it is pressed. */
function Picture(props: { file: FileView }) {
  const [large, setLarge] = createSignal(false);
  return (
    <button
      type="button"
      class="picture-button"
      classList={{ large: large() }}
      aria-expanded={large()}
      title={large() ? "Make it small" : "Make it large"}
      onClick={() => setLarge(!large())}
    >
      <img
        src={props.file.url}
        alt={props.file.name || "Picture"}
        loading="lazy"
        decoding="async"
      />
    </button>
  );
}
