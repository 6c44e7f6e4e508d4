/** Everything that can be done, by a few letters; or the list of keys. Loaded when it is asked for. */
import { createEffect, createSignal, For, on, onCleanup, onMount, Show } from "solid-js";
import { CHORDS, LEAVE_SHOWN } from "./chords.ts";
import { allCommands, type Command, findCommands } from "./commands.ts";
import "./palette.css";

/** More than this nobody reads; another letter finds it. */
const MOST = 50;

export default function Palette(props: { shows: "commands" | "keys"; onClose: () => void }) {
  let dialog: HTMLDialogElement | undefined;
  onMount(() => {
    const before = document.activeElement;
    dialog?.showModal();
    onCleanup(() => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    });
  });
  return (
    <dialog
      class="palette"
      aria-label={props.shows === "keys" ? "Keys" : "Commands"}
      ref={dialog}
      onClose={props.onClose}
      onPointerDown={event => {
        if (event.target === dialog) props.onClose();
      }}
    >
      <Show when={props.shows === "commands"} fallback={<Keys onClose={props.onClose} />}>
        <Commands onClose={props.onClose} />
      </Show>
    </dialog>
  );
}

function Commands(props: { onClose: () => void }) {
  const all = allCommands();
  const [written, setWritten] = createSignal("");
  const [chosen, setChosen] = createSignal(0);
  const found = () => findCommands(all, written()).slice(0, MOST);
  let list: HTMLDivElement | undefined;
  createEffect(on(written, () => setChosen(0)));
  createEffect(
    on(chosen, at => list?.querySelector(`#command-${at}`)?.scrollIntoView({ block: "nearest" })),
  );
  const run = (command: Command | undefined) => {
    if (!command) return;
    props.onClose();
    // The focus goes back first; the command may give it another place.
    setTimeout(command.run);
  };
  const key = (event: KeyboardEvent) => {
    const many = found().length;
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by !== 0 && many > 0) {
      event.preventDefault();
      setChosen(at => (at + by + many) % many);
    }
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      run(found()[chosen()]);
    }
  };
  return (
    <>
      <input
        class="palette-field"
        type="text"
        role="combobox"
        aria-label="Find a command"
        placeholder="Find a command or a session"
        aria-expanded="true"
        aria-controls="commands"
        aria-activedescendant={found().length > 0 ? `command-${chosen()}` : undefined}
        autocomplete="off"
        spellcheck={false}
        value={written()}
        onInput={event => setWritten(event.currentTarget.value)}
        onKeyDown={key}
      />
      <div class="palette-list" id="commands" role="listbox" aria-label="Commands" ref={list}>
        <For each={found()} fallback={<p class="palette-none">Nothing is called like that.</p>}>
          {(command, at) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's, which keeps the focus.
            <div
              class="palette-row"
              id={`command-${at()}`}
              role="option"
              aria-selected={at() === chosen()}
              tabIndex={-1}
              onPointerMove={() => setChosen(at())}
              onClick={() => run(command)}
            >
              <span class="palette-group">{command.group}</span>
              <bdi class="words">{command.name}</bdi>
              <Show when={command.keys}>
                <kbd>{command.keys}</kbd>
              </Show>
            </div>
          )}
        </For>
      </div>
    </>
  );
}

const KEYS: readonly (readonly [heading: string, keys: readonly (readonly [string, string])[]])[] =
  [
    [
      "Anywhere",
      [
        ["All commands", CHORDS.palette.shown],
        ["Talk to the agent, and back", CHORDS.panel.shown],
        ["Take over, hand back", CHORDS.floor.shown],
        ["To a question, then yes once", CHORDS.card.shown],
        ["Leave the picture", LEAVE_SHOWN],
        ["These keys", "?"],
      ],
    ],
    [
      "While you write",
      [
        ["Send", "Enter"],
        ["A new line", "Shift + Enter"],
        ["A file of the project", "@"],
        ["A command of the agent", "/"],
        ["Leave a list or a menu", "Escape"],
      ],
    ],
    [
      "In the panel",
      [
        ["Along the sessions", "↑ ↓"],
        ["Make the panel wider or narrower, on its edge", "← →"],
        ["Pick an element, after its button", "Arrows, Enter"],
      ],
    ],
  ];

function Keys(props: { onClose: () => void }) {
  return (
    <section class="keys-sheet">
      <header>
        <h2>Keys</h2>
        <button type="button" class="answer" onClick={props.onClose}>
          Close
        </button>
      </header>
      <For each={KEYS}>
        {([heading, keys]) => (
          <>
            <h3 class="menu-title">{heading}</h3>
            <dl class="keys">
              <For each={keys}>
                {([what, shown]) => (
                  <>
                    <dt>{what}</dt>
                    <dd>
                      <kbd>{shown}</kbd>
                    </dd>
                  </>
                )}
              </For>
            </dl>
          </>
        )}
      </For>
    </section>
  );
}
