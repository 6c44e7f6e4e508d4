/** What can be done with the session that is shown. */
import { createSignal, onCleanup, Show } from "solid-js";
import type { Can } from "../../../core/src/sessions-model.ts";
import { Icon, type PanelIcon } from "./icon.tsx";

export function SessionMenu(props: {
  can: Can | null;
  reverted: boolean;
  works: boolean;
  onRename: () => void;
  onFork: () => void;
  onUndo: () => void;
  onBring: () => void;
  onSummarise: () => void;
  onFiles: () => void;
  onDelete: () => void;
}) {
  const [open, setOpen] = createSignal(false);
  const [sure, setSure] = createSignal(false);
  let holder: HTMLDivElement | undefined;
  let opener: HTMLButtonElement | undefined;
  const close = () => {
    setOpen(false);
    setSure(false);
  };
  const outside = (event: PointerEvent) => {
    if (open() && !event.composedPath().includes(holder as EventTarget)) close();
  };
  document.addEventListener("pointerdown", outside, { capture: true });
  onCleanup(() => document.removeEventListener("pointerdown", outside, { capture: true }));
  const item = (name: string, icon: PanelIcon, run: () => void) => (
    <button
      type="button"
      class="tool"
      onClick={() => {
        close();
        run();
      }}
    >
      <Icon name={icon} />
      <span>{name}</span>
    </button>
  );
  const key = (event: KeyboardEvent) => {
    if (event.key === "Escape" && open()) {
      event.stopPropagation();
      close();
      opener?.focus();
    }
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0 || !open()) return;
    event.preventDefault();
    const all = [...(holder?.querySelectorAll<HTMLElement>(".menu button") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    all[(at + by + all.length) % all.length]?.focus();
  };
  return (
    <section class="menu-holder" aria-label="The session" ref={holder} onKeyDown={key}>
      <button
        type="button"
        class="tool"
        ref={opener}
        aria-expanded={open()}
        aria-controls="session-menu"
        aria-label="More for this session"
        title="More for this session"
        onClick={() => (open() ? close() : setOpen(true))}
      >
        <Icon name="more" />
      </button>
      <Show when={open()}>
        <div class="menu session-menu" id="session-menu">
          {item("Rename", "rename", props.onRename)}
          <Show when={props.can?.fork}>{item("Fork", "fork", props.onFork)}</Show>
          <Show when={props.can?.revert && !props.works}>
            {item("Undo the last turn", "undo", props.onUndo)}
          </Show>
          <Show when={props.reverted}>
            {item("Bring back what was undone", "history", props.onBring)}
          </Show>
          <Show when={props.can?.summarise && !props.works}>
            {item("Summarise", "chat", props.onSummarise)}
          </Show>
          <Show when={props.can?.diff}>{item("Changed files", "diff", props.onFiles)}</Show>
          <Show
            when={sure()}
            fallback={
              <button type="button" class="tool" onClick={() => setSure(true)}>
                <Icon name="remove" />
                <span>Delete</span>
              </button>
            }
          >
            {item("Delete it for good", "remove", props.onDelete)}
          </Show>
        </div>
      </Show>
    </section>
  );
}
