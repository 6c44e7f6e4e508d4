/** All files that a session has changed, each with what changed in it. */
import { For, Show } from "solid-js";
import { languageOf } from "../../../core/src/code-colours.ts";
import { diffTexts, readPatch } from "../../../core/src/diff.ts";
import type { FileChange } from "../../../core/src/sessions-model.ts";
import { AnswerButton } from "../buttons.tsx";
import { DiffView } from "./code.tsx";
import { Icon } from "./icon.tsx";

export function ChangedFiles(props: { files: readonly FileChange[] | null; onDone: () => void }) {
  const diffOf = (file: FileChange) =>
    file.patch ? readPatch(file.patch) : diffTexts(file.before ?? "", file.after ?? "");
  return (
    <section class="files" aria-label="Changed files">
      <div class="files-list">
        <Show
          when={props.files}
          fallback={
            <p class="empty-note" role="status">
              Reading what changed
            </p>
          }
        >
          <For
            each={props.files}
            fallback={<p class="empty-note">This session has changed no files.</p>}
          >
            {file => (
              <details class="file">
                <summary>
                  <Icon name="right" />
                  <bdi class="words" title={file.path}>
                    {file.path}
                  </bdi>
                  <span class="counts">
                    <span class="added">+{file.added}</span>{" "}
                    <span class="removed">−{file.removed}</span>
                  </span>
                </summary>
                <DiffView diff={diffOf(file)} language={languageOf(file.path)} name={file.path} />
              </details>
            )}
          </For>
        </Show>
      </div>
      <p class="files-foot">
        <AnswerButton onClick={props.onDone}>Back to the conversation</AnswerButton>
      </p>
    </section>
  );
}
