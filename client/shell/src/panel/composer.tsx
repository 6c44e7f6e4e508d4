/**
 * Where a person writes: Enter sends, Shift+Enter is a line, `@` names a file,
 * `/` a command. What is written while the agent is at work waits its turn.
 */
import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import { works } from "../../../core/src/sessions.ts";
import type { Attachment, Prompt } from "../../../core/src/sessions-model.ts";
import type { TandemRoom } from "../../../element/src/index.ts";
import {
  type Attached,
  addressOf,
  elementAt,
  fromFile,
  MOST_BYTES,
  screenshotOf,
  sizeOf,
} from "./attach.ts";
import type { Copilot } from "./copilot.ts";
import { Icon } from "./icon.tsx";
import { Picker } from "./picker.tsx";

const FILES_AFTER_MS = 120;

export interface ComposerHandle {
  focus: () => void;
  screenshot: () => void;
  pick: () => void;
  attach: () => void;
}

interface Draft {
  text: string;
  files: readonly Attached[];
}
const EMPTY: Draft = { text: "", files: [] };

interface Offer {
  /** What takes the place of the word that is being written. */
  word: string;
  about: string;
}

export function Composer(props: {
  copilot: Copilot;
  room: TandemRoom;
  onPicking: (picking: boolean) => void;
  ref: (handle: ComposerHandle | null) => void;
}) {
  const { copilot } = props;
  const [drafts, setDrafts] = createSignal<ReadonlyMap<string, Draft>>(new Map());
  const place = () => copilot.current() ?? "";
  const draft = () => drafts().get(place()) ?? EMPTY;
  const change = (part: Partial<Draft>, where = place()) =>
    setDrafts(all => new Map(all).set(where, { ...(all.get(where) ?? EMPTY), ...part }));
  const [note, setNote] = createSignal("");
  const [picking, setPicking] = createSignal(false);
  createEffect(on(picking, now => props.onPicking(now), { defer: true }));
  const [model, setModel] = createSignal<string | null>(null);
  const [agent, setAgent] = createSignal<string | null>(null);
  let field: HTMLTextAreaElement | undefined;
  let chooser: HTMLInputElement | undefined;

  const busy = () => works(copilot.session());
  const mayWrite = () => copilot.connection() !== "refused";
  const grow = () => {
    if (!field) return;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
  };
  createEffect(on([() => draft().text, place], () => queueMicrotask(grow)));

  // --- Sending ------------------------------------------------------------
  const send = async () => {
    const where = place();
    const { text, files } = draft();
    if (text.trim() === "" && files.length === 0) return;
    const prompt: Prompt = {
      text: text.trim(),
      files: [...files.map(({ name, mime, data }): Attachment => ({ name, mime, data }))],
    };
    const chosenModel = model();
    const chosenAgent = agent();
    if (chosenModel) prompt.model = chosenModel;
    if (chosenAgent) prompt.agent = chosenAgent;
    change(EMPTY, where);
    setNote("");
    if (await copilot.say(prompt)) return;
    // It is still theirs, unless they have begun to write something else.
    const now = drafts().get(where) ?? EMPTY;
    if (now.text === "" && now.files.length === 0) change({ text, files }, where);
  };

  // --- What goes along ------------------------------------------------------
  const add = (...more: Attached[]) => {
    const files = [...draft().files, ...more];
    if (sizeOf(files) > MOST_BYTES) {
      setNote("That is more than one prompt can carry. Send fewer or smaller files.");
      return;
    }
    change({ files });
  };
  const addFiles = async (files: Iterable<File>) => {
    for (const file of files) {
      if (file.size > MOST_BYTES) {
        setNote(`${file.name} is too large to be sent.`);
        continue;
      }
      add(await fromFile(file));
    }
  };
  const screenshot = async () => {
    const taken = await screenshotOf(props.room);
    if (taken) add(taken);
    else setNote("There is no picture of the room yet.");
    field?.focus();
  };
  const insert = (words: string) => {
    const { text } = draft();
    const from = field?.selectionStart ?? text.length;
    const gap = from > 0 && !/\s$/.test(text.slice(0, from)) ? "\n" : "";
    change({ text: text.slice(0, from) + gap + words + text.slice(field?.selectionEnd ?? from) });
  };
  const pick = async (at: { x: number; y: number }) => {
    setPicking(false);
    const found = await elementAt(props.room, at);
    if ("words" in found) insert(found.words);
    else setNote(found.refused);
    field?.focus();
  };

  // --- `@` and `/` ----------------------------------------------------------
  const [caret, setCaret] = createSignal(0);
  const [hushed, setHushed] = createSignal<string | null>(null);
  const [files, setFiles] = createSignal<readonly string[]>([]);
  const [chosen, setChosen] = createSignal(0);
  const word = createMemo(() => {
    const before = draft().text.slice(0, caret());
    const [, command] = /^\/([\w:-]*)$/.exec(before) ?? [];
    if (command !== undefined && copilot.can()?.commands) return { sign: "/", text: command };
    const [, file] = /(?:^|\s)@([^\s@]*)$/.exec(before) ?? [];
    if (file !== undefined && copilot.can()?.files) return { sign: "@", text: file };
    return null;
  });
  const written = () => {
    const found = word();
    return found ? found.sign + found.text : null;
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  createEffect(
    on(written, now => {
      setChosen(0);
      clearTimeout(timer);
      const found = word();
      if (now !== hushed()) setHushed(null);
      if (found?.sign !== "@") return;
      timer = setTimeout(() => {
        copilot.api.files(found.text).then(
          paths => {
            if (written() === now) setFiles(paths);
          },
          () => setFiles([]),
        );
      }, FILES_AFTER_MS);
    }),
  );
  const offers = (): Offer[] => {
    const found = word();
    if (!found || hushed() === written()) return [];
    if (found.sign === "@")
      return files()
        .slice(0, 8)
        .map(path => ({ word: `@${path}`, about: "" }));
    const start = found.text.toLowerCase();
    return (copilot.choices()?.commands ?? [])
      .filter(one => one.name.toLowerCase().startsWith(start))
      .slice(0, 8)
      .map(one => ({ word: `/${one.name}`, about: one.description }));
  };
  const complete = (offer: Offer) => {
    const { text } = draft();
    const start = caret() - (written()?.length ?? 0);
    const now = `${text.slice(0, start)}${offer.word} `;
    change({ text: now + text.slice(caret()).trimStart() });
    queueMicrotask(() => {
      field?.setSelectionRange(now.length, now.length);
      setCaret(now.length);
    });
  };

  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const all = offers();
    if (all.length > 0) {
      const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (by !== 0) {
        event.preventDefault();
        setChosen(at => (at + by + all.length) % all.length);
        return;
      }
      const one = all[chosen()];
      if ((event.key === "Enter" || event.key === "Tab") && one && !event.shiftKey) {
        // A command that is there in full is sent, not written once more.
        if (!(event.key === "Enter" && one.word === written())) {
          event.preventDefault();
          complete(one);
          return;
        }
      }
      if (event.key === "Escape") {
        event.stopPropagation();
        setHushed(written());
        return;
      }
    }
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      void send();
    }
  };

  const handle: ComposerHandle = {
    focus: () => field?.focus(),
    screenshot: () => void screenshot(),
    pick: () => setPicking(true),
    attach: () => chooser?.click(),
  };
  props.ref(handle);
  onCleanup(() => props.ref(null));

  const models = () => copilot.choices()?.models ?? [];
  const agents = () => copilot.choices()?.agents ?? [];
  const modelShown = () =>
    model() ?? copilot.session()?.model ?? models().find(one => one.default)?.id ?? "";
  const agentShown = () => agent() ?? copilot.session()?.agent ?? agents()[0]?.name ?? "";
  const queued = () => copilot.queue().filter(one => one.session === copilot.current());
  const [over, setOver] = createSignal(false);
  return (
    <form
      class="composer"
      classList={{ over: over() }}
      aria-label="Write to the agent"
      onSubmit={event => {
        event.preventDefault();
        void send();
      }}
      onDragOver={event => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={event => {
        event.preventDefault();
        setOver(false);
        void addFiles(event.dataTransfer?.files ?? []);
      }}
    >
      <Show when={queued().length > 0}>
        <ul class="queue" aria-label="Waiting to be sent">
          <For each={queued()}>
            {one => (
              <li>
                <span class="words">{one.prompt.text || "A picture"}</span>
                <button type="button" class="link" onClick={() => copilot.sendNow(one.key)}>
                  Send now
                </button>
                <button
                  type="button"
                  class="tool"
                  aria-label="Don't send it"
                  title="Don't send it"
                  onClick={() => {
                    copilot.unqueue(one.key);
                    if (draft().text === "") change({ text: one.prompt.text });
                  }}
                >
                  <Icon name="close" />
                </button>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <Show when={offers().length > 0}>
        <div class="offers" id="offers" role="listbox" aria-label="Suggestions">
          <For each={offers()}>
            {(offer, at) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's, which keeps the focus.
              <div
                id={`offer-${at()}`}
                class="offer"
                role="option"
                aria-selected={at() === chosen()}
                tabIndex={-1}
                onPointerDown={event => event.preventDefault()}
                onClick={() => complete(offer)}
              >
                <bdi>{offer.word}</bdi>
                <span class="small">{offer.about}</span>
              </div>
            )}
          </For>
        </div>
      </Show>
      <div class="composer-box">
        <Show when={draft().files.length > 0}>
          <ul class="attached" aria-label="Goes along">
            <For each={draft().files}>
              {file => (
                <li>
                  <Show
                    when={file.mime.startsWith("image/")}
                    fallback={<span class="chip">{file.name}</span>}
                  >
                    <img src={addressOf(file)} alt={file.name} />
                  </Show>
                  <button
                    type="button"
                    class="remove"
                    aria-label={`Leave out ${file.name}`}
                    title="Leave it out"
                    onClick={() =>
                      change({ files: draft().files.filter(one => one.key !== file.key) })
                    }
                  >
                    <Icon name="close" />
                  </button>
                </li>
              )}
            </For>
          </ul>
        </Show>
        <textarea
          ref={field}
          rows="1"
          aria-label="Message to the agent"
          placeholder={busy() ? "Say what comes next" : "Tell the agent what to do"}
          disabled={!mayWrite()}
          value={draft().text}
          aria-autocomplete="list"
          aria-controls={offers().length > 0 ? "offers" : undefined}
          aria-activedescendant={offers().length > 0 ? `offer-${chosen()}` : undefined}
          onInput={event => {
            change({ text: event.currentTarget.value });
            setCaret(event.currentTarget.selectionStart);
          }}
          onSelect={event => setCaret(event.currentTarget.selectionStart)}
          onFocus={() => copilot.start()}
          onKeyDown={key}
          onPaste={event => {
            const pasted = [...(event.clipboardData?.files ?? [])];
            if (pasted.length === 0) return;
            event.preventDefault();
            void addFiles(pasted);
          }}
        />
        <div class="composer-row">
          <input
            type="file"
            multiple
            hidden
            ref={chooser}
            onChange={event => {
              void addFiles(event.currentTarget.files ?? []);
              event.currentTarget.value = "";
            }}
          />
          <button
            type="button"
            class="tool"
            aria-label="Add a screenshot of the room"
            title="Add a screenshot of the room"
            onClick={() => void screenshot()}
          >
            <Icon name="camera" />
          </button>
          <button
            type="button"
            class="tool"
            aria-label="Pick an element of the page"
            title="Pick an element of the page"
            aria-pressed={picking()}
            onClick={() => setPicking(on => !on)}
          >
            <Icon name="pick" />
          </button>
          <button
            type="button"
            class="tool"
            aria-label="Add a file"
            title="Add a file"
            onClick={() => chooser?.click()}
          >
            <Icon name="clip" />
          </button>
          <span class="gap" />
          <Show when={agents().length > 1}>
            <select
              class="choose"
              aria-label="Way of working"
              title="Way of working"
              value={agentShown()}
              onChange={event => setAgent(event.currentTarget.value)}
            >
              <For each={agents()}>
                {one => (
                  <option value={one.name} title={one.description}>
                    {one.name}
                  </option>
                )}
              </For>
            </select>
          </Show>
          <Show when={models().length > 1}>
            <select
              class="choose"
              aria-label="Model"
              title="Model"
              value={modelShown()}
              onChange={event => setModel(event.currentTarget.value)}
            >
              <For each={models()}>{one => <option value={one.id}>{one.name}</option>}</For>
            </select>
          </Show>
          <Show when={busy()}>
            <button
              type="button"
              class="send stop"
              aria-label="Stop the agent"
              title="Stop the agent"
              onClick={() => {
                const id = copilot.current();
                if (id !== null) void copilot.attempt(() => copilot.api.abort(id));
              }}
            >
              <Icon name="stop" />
            </button>
          </Show>
          <Show when={!busy() || draft().text.trim() !== ""}>
            <button
              type="submit"
              class="send"
              aria-label={busy() ? "Send when it is done" : "Send"}
              title={busy() ? "Send when it is done (Enter)" : "Send (Enter)"}
              disabled={draft().text.trim() === "" && draft().files.length === 0}
            >
              <Icon name="send" />
            </button>
          </Show>
        </div>
      </div>
      <Show when={note()}>
        <p class="small composer-note" role="alert">
          {note()}
        </p>
      </Show>
      <Show when={picking()}>
        <Picker
          room={props.room}
          onPick={at => void pick(at)}
          onCancel={() => {
            setPicking(false);
            field?.focus();
          }}
        />
      </Show>
    </form>
  );
}
