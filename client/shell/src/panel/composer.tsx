/**
 * Where a person writes: Enter sends, Shift+Enter is a line, `@` names a file,
 * `/` a command. What is written while the agent is at work waits its turn.
 */
import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import { referencesIn } from "../../../core/src/mentions.ts";
import { works } from "../../../core/src/sessions.ts";
import type { Attachment, Prompt } from "../../../core/src/sessions-model.ts";
import type { TandemRoom } from "../../../element/src/index.ts";
import { ToolButton } from "../buttons.tsx";
import {
  type Attached,
  addressOf,
  fromFile,
  MOST_BYTES,
  screenshotOf,
  sizeOf,
  wordsOfPicked,
} from "./attach.ts";
import type { Copilot } from "./copilot.ts";
import { createDrafts, type Draft } from "./drafts.ts";
import { Icon } from "./icon.tsx";
import { createOffers, type Offer, OfferList } from "./offers.tsx";
import { Picker } from "./picker.tsx";

export interface ComposerHandle {
  focus: () => void;
  screenshot: () => void;
  pick: () => void;
  attach: () => void;
}

export function Composer(props: {
  copilot: Copilot;
  room: TandemRoom;
  /** Null where the picture has no place for it. */
  onPicking: ((picking: boolean) => void) | null;
  ref: (handle: ComposerHandle | null) => void;
}) {
  const { copilot } = props;
  const drafts = createDrafts(copilot.memory);
  const place = () => copilot.current() ?? "";
  const draft = createMemo(() => drafts.of(place()));
  const change = (part: Partial<Draft>, where = place()) => drafts.change(where, part);
  const [note, setNote] = createSignal("");
  const [picking, setPicking] = createSignal(false);
  createEffect(on(picking, now => props.onPicking?.(now), { defer: true }));
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
    const { text, files, model, agent } = draft();
    if (text.trim() === "" && files.length === 0) return;
    const isCommand = copilot.commandIn(text.trim()) !== null;
    change({ text: "", files: [] }, where);
    setNote("");
    const carried = files.map(({ name, mime, data }): Attachment => ({ name, mime, data }));
    const named = isCommand ? [] : await referencesIn(text, offers.isFile);
    const prompt: Prompt = { text: text.trim(), files: [...carried, ...named] };
    if (model) prompt.model = model;
    if (agent) prompt.agent = agent;
    if (await copilot.say(prompt)) return;
    // It is still theirs, unless they have begun to write something else.
    const now = drafts.of(where);
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
  const [caret, setCaret] = createSignal(0);
  const offers = createOffers(copilot, () => draft().text.slice(0, caret()));
  const complete = (offer: Offer) => {
    const { text } = draft();
    const start = caret() - (offers.written()?.length ?? 0);
    const now = `${text.slice(0, start)}${offer.word} `;
    change({ text: now + text.slice(caret()).trimStart() });
    queueMicrotask(() => {
      field?.setSelectionRange(now.length, now.length);
      setCaret(now.length);
    });
  };

  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const all = offers.all();
    if (all.length > 0) {
      const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : null;
      if (by !== null) {
        event.preventDefault();
        offers.step(by);
        return;
      }
      const one = all[offers.chosen()];
      if ((event.key === "Enter" || event.key === "Tab") && one && !event.shiftKey) {
        // A command that is there in full is sent, not written once more.
        if (!(event.key === "Enter" && one.word === offers.written())) {
          event.preventDefault();
          complete(one);
          return;
        }
      }
      if (event.key === "Escape") {
        event.stopPropagation();
        offers.hush();
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
    draft().model ?? copilot.session()?.model ?? models().find(one => one.default)?.id ?? "";
  const agentShown = () => draft().agent ?? copilot.session()?.agent ?? agents()[0]?.name ?? "";
  const queued = () => copilot.queue().filter(one => one.session === place());
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
                <Show
                  when={!one.sending}
                  fallback={<span class="small">The agent is starting</span>}
                >
                  <button type="button" class="link" onClick={() => copilot.sendNow(one.key)}>
                    Send now
                  </button>
                  <ToolButton
                    label="Don't send it"
                    onClick={() => {
                      copilot.unqueue(one.key);
                      if (draft().text === "") change({ text: one.prompt.text });
                    }}
                  >
                    <Icon name="close" />
                  </ToolButton>
                </Show>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <OfferList offers={offers} onChoose={complete} />
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
          aria-controls={offers.all().length > 0 ? "offers" : undefined}
          aria-activedescendant={offers.all().length > 0 ? `offer-${offers.chosen()}` : undefined}
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
          <ToolButton label="Add a screenshot of the room" onClick={() => void screenshot()}>
            <Icon name="camera" />
          </ToolButton>
          <Show when={props.onPicking}>
            <ToolButton
              label="Pick an element of the page"
              aria-pressed={picking()}
              onClick={() => setPicking(on => !on)}
            >
              <Icon name="pick" />
            </ToolButton>
          </Show>
          <ToolButton label="Add a file" onClick={() => chooser?.click()}>
            <Icon name="clip" />
          </ToolButton>
          <span class="gap" />
          <Show when={agents().length > 1}>
            <select
              class="choose"
              aria-label="Way of working"
              title="Way of working"
              value={agentShown()}
              onChange={event => change({ agent: event.currentTarget.value })}
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
              onChange={event => change({ model: event.currentTarget.value })}
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
          onPicked={picked => {
            setPicking(false);
            if (picked) insert(wordsOfPicked(picked));
            field?.focus();
          }}
        />
      </Show>
    </form>
  );
}
