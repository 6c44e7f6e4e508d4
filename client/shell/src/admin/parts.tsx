/** Small parts that all sections are made of. */
import { createSignal, createUniqueId, For, type JSX, onCleanup, onMount, Show } from "solid-js";
import type { Overview } from "../../../core/src/admin-model.ts";
import { AnswerButton } from "../buttons.tsx";
import { words } from "./api.ts";
import { t } from "./texts/index.ts";

/** One thing at a time that is done at the server: whether it is under way, and what went wrong. */
export function createDoing() {
  const [busy, setBusy] = createSignal(false);
  const [fault, setFault] = createSignal("");
  const run = async (act: () => Promise<void>): Promise<boolean> => {
    if (busy()) return false;
    setBusy(true);
    setFault("");
    try {
      await act();
      return true;
    } catch (error) {
      setFault(words(error));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, fault, run, clear: () => setFault("") };
}

/** What cannot be undone is asked first. The safe answer has the focus; Escape gives it. */
export function Question(props: {
  question: string;
  what: string;
  yes: string;
  no: string;
  busy: boolean;
  fault: string;
  onYes: () => void;
  onNo: () => void;
  children?: JSX.Element;
}) {
  const id = createUniqueId();
  let safe: HTMLButtonElement | undefined;
  onMount(() => {
    const opener = document.activeElement;
    safe?.focus();
    onCleanup(() => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    });
  });
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    props.onNo();
  };
  return (
    <div
      class="question"
      role="alertdialog"
      aria-labelledby={`${id}-q`}
      aria-describedby={`${id}-w`}
      onKeyDown={key}
    >
      <div class="question-words">
        <p id={`${id}-q`} class="question-title">
          {props.question}
        </p>
        <p id={`${id}-w`}>{props.what}</p>
        {props.children}
        <Show when={props.fault}>
          <p class="fault" role="alert">
            {props.fault}
          </p>
        </Show>
      </div>
      <div class="question-answers">
        <AnswerButton ref={safe} onClick={props.onNo}>
          {props.no}
        </AnswerButton>
        <AnswerButton class="answer danger" disabled={props.busy} onClick={props.onYes}>
          {props.yes}
        </AnswerButton>
      </div>
    </div>
  );
}

/** A field with its name above it. */
export function Field(props: {
  label: string;
  hint?: string;
  children: (id: string) => JSX.Element;
}) {
  const id = createUniqueId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children(id)}
      <Show when={props.hint}>
        <p class="hint">{props.hint}</p>
      </Show>
    </div>
  );
}

/** The rooms to choose from; the one that the section is about is chosen, else the first. */
export function RoomOptions(props: {
  overview: Overview;
  room: string;
  words?: (room: string) => string;
}) {
  return (
    <For each={props.overview.rooms.map(room => room.id)}>
      {id => (
        <option value={id} selected={id === props.room}>
          {props.words?.(id) ?? id}
        </option>
      )}
    </For>
  );
}

/** Copies a text and says so. */
export function CopyButton(props: { text: string; label: string }) {
  const [copied, setCopied] = createSignal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  const copy = async () => {
    await copyText(props.text);
    setCopied(true);
    clearTimeout(timer);
    timer = setTimeout(() => setCopied(false), 2000);
  };
  return (
    <button
      type="button"
      class="answer"
      aria-label={`${t.copy}: ${props.label}`}
      onClick={() => void copy()}
    >
      <span aria-live="polite">{copied() ? t.copied : t.copy}</span>
    </button>
  );
}

/** Without TLS there is no clipboard for pages; the old way still works. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text).catch(() => copyBySelection(text));
  } else copyBySelection(text);
}

function copyBySelection(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "unseen";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
