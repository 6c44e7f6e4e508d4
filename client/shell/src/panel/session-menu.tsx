/** What can be done with the session that is shown. */
import { createSignal, Show } from "solid-js";
import type { Can } from "../../../core/src/sessions-model.ts";
import { Menu } from "../menu.tsx";
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
  const [sure, setSure] = createSignal(false);
  const item = (name: string, icon: PanelIcon, run: () => void) => (
    <button type="button" class="tool" onClick={run}>
      <Icon name={icon} />
      <span>{name}</span>
    </button>
  );
  return (
    <Menu
      id="session-menu"
      class="session-menu"
      label="More for this session"
      icon={<Icon name="more" />}
      onClose={() => setSure(false)}
    >
      {close => {
        const then = (run: () => void) => () => {
          close();
          run();
        };
        return (
          <>
            {item("Rename", "rename", then(props.onRename))}
            <Show when={props.can?.fork}>{item("Fork", "fork", then(props.onFork))}</Show>
            <Show when={props.can?.revert && !props.works}>
              {item("Undo the last turn", "undo", then(props.onUndo))}
            </Show>
            <Show when={props.reverted}>
              {item("Bring back what was undone", "history", then(props.onBring))}
            </Show>
            <Show when={props.can?.summarise && !props.works}>
              {item("Summarise", "chat", then(props.onSummarise))}
            </Show>
            <Show when={props.can?.diff}>{item("Changed files", "diff", then(props.onFiles))}</Show>
            {/* One button, which keeps the focus; a double press is no second thought. */}
            <button
              type="button"
              class="tool"
              onClick={event => {
                if (!sure()) setSure(true);
                else if (event.detail < 2) then(props.onDelete)();
              }}
            >
              <Icon name="remove" />
              <span>{sure() ? "Delete it for good" : "Delete"}</span>
            </button>
          </>
        );
      }}
    </Menu>
  );
}
