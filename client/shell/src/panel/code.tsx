/** Code and what changed in it, coloured. */
import { createMemo, createSignal, For, onCleanup, Show } from "solid-js";
import { colourCode } from "../../../core/src/code-colours.ts";
import type { Diff } from "../../../core/src/diff.ts";
import { ToolButton } from "../buttons.tsx";
import { Icon } from "./icon.tsx";

/** So many lines of a diff are drawn. */
const MOST_LINES = 1500;
const COPIED_MS = 1500;

export function Copy(props: { text: string; label: string }) {
  const [copied, setCopied] = createSignal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  return (
    <ToolButton
      class="tool copy"
      label={copied() ? "Copied" : props.label}
      onClick={() => {
        void navigator.clipboard?.writeText(props.text).then(() => {
          setCopied(true);
          clearTimeout(timer);
          timer = setTimeout(() => setCopied(false), COPIED_MS);
        });
      }}
    >
      <Icon name={copied() ? "check" : "copy"} />
    </ToolButton>
  );
}

export function Coloured(props: { text: string; language: string }) {
  const pieces = createMemo(() => colourCode(props.text, props.language));
  return (
    <For each={pieces()}>
      {piece =>
        piece.kind === "plain" ? piece.text : <span class={`c-${piece.kind}`}>{piece.text}</span>
      }
    </For>
  );
}

export function Code(props: { text: string; language: string }) {
  return (
    <div class="code">
      <Copy text={props.text} label="Copy the code" />
      <pre tabindex="0">
        <code>
          <Coloured text={props.text} language={props.language} />
        </code>
      </pre>
    </div>
  );
}

export function DiffView(props: { diff: Diff; language: string; name: string }) {
  const lines = () => props.diff.lines.slice(0, MOST_LINES);
  return (
    <section class="diff" tabindex="0" aria-label={`What changes in ${props.name}`}>
      <table>
        <tbody>
          <For each={lines()}>
            {line => (
              <Show
                when={line.is !== "gap" ? line : null}
                fallback={
                  <tr class="gap">
                    <td>⋯</td>
                    <td colSpan={2}>{line.text}</td>
                  </tr>
                }
              >
                {told => (
                  <tr class={told().is}>
                    <td class="number">{told().new ?? told().old}</td>
                    <td class="sign">
                      {told().is === "added" ? "+" : told().is === "removed" ? "−" : ""}
                    </td>
                    <td class="line">
                      <Coloured text={told().text} language={props.language} />
                    </td>
                  </tr>
                )}
              </Show>
            )}
          </For>
        </tbody>
      </table>
      <Show when={props.diff.lines.length > MOST_LINES}>
        <p class="small">{props.diff.lines.length - MOST_LINES} more lines are not shown.</p>
      </Show>
    </section>
  );
}
