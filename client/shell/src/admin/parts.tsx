/** Small parts that all sections are made of. */
import {
  createEffect,
  createMemo,
  createSignal,
  createUniqueId,
  For,
  type JSX,
  on,
  onCleanup,
  onMount,
  Show,
} from "solid-js";
import type { Overview } from "../../../core/src/admin-model.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, words } from "./api.ts";
import { t } from "./texts/index.ts";

/** One thing at a time that is done at the server: whether it is under way, and what went wrong. */
export interface Doing {
  busy: () => boolean;
  fault: () => string;
  /** False if it failed, or if something else is under way. */
  run: (act: () => Promise<void>) => Promise<boolean>;
  clear: () => void;
}

export function createDoing(): Doing {
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

/** What the server told at this path, from when it is shown, and anew when `changes` does. */
export function createAnswer<T>(path: string, changes?: () => string) {
  const [told, setTold] = createSignal<T | null>(null);
  const [fault, setFault] = createSignal("");
  const load = async () => {
    try {
      const answer = await ask<T>("GET", path);
      setTold(() => answer);
      setFault("");
    } catch (error) {
      setFault(words(error));
    }
  };
  onMount(() => void load());
  if (changes) createEffect(on(createMemo(changes), () => void load(), { defer: true }));
  return { told, setTold, fault, load };
}

/** Somebody came, left, or a room did: what they use may have been used, or have ended. */
export const comings = (overview: Overview): string =>
  overview.rooms.map(room => `${room.id} ${room.people.length}`).join(",");

/** When this goes with the focus in it, the focus is where it was when it came. */
export function returnFocus(from: () => HTMLElement | undefined): void {
  onMount(() => {
    const opener = document.activeElement;
    onCleanup(() => {
      const inside = from()?.contains(document.activeElement);
      if (inside && opener instanceof HTMLElement && opener.isConnected) opener.focus();
    });
  });
}

/** What went wrong; nothing while nothing did. */
export function Fault(props: { text: string; id?: string }) {
  return (
    <Show when={props.text}>
      <p class="fault" role="alert" id={props.id}>
        {props.text}
      </p>
    </Show>
  );
}

/** What cannot be undone is asked first. The safe answer has the focus; Escape gives it. */
export function Question(props: {
  question: string;
  what: string;
  yes: string;
  no: string;
  doing: Doing;
  onYes: () => void;
  onNo: () => void;
  children?: JSX.Element;
}) {
  const id = createUniqueId();
  let place: HTMLDivElement | undefined;
  let safe: HTMLButtonElement | undefined;
  returnFocus(() => place);
  onMount(() => safe?.focus());
  const no = () => {
    props.doing.clear();
    props.onNo();
  };
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    no();
  };
  return (
    <div
      ref={place}
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
        <Fault text={props.doing.fault()} />
      </div>
      <div class="question-answers">
        <AnswerButton ref={safe} onClick={no}>
          {props.no}
        </AnswerButton>
        <AnswerButton class="answer danger" disabled={props.doing.busy()} onClick={props.onYes}>
          {props.yes}
        </AnswerButton>
      </div>
    </div>
  );
}

/** A field with its name above it, and below it a hint and what is wrong with what it holds. */
export function Field(props: {
  label: string;
  hint?: string;
  fault?: string;
  class?: string;
  children: (id: string) => JSX.Element;
}) {
  const id = createUniqueId();
  let place: HTMLDivElement | undefined;
  createEffect(() => {
    const control = place?.querySelector("input, select, textarea");
    const told = [props.hint ? `${id}-hint` : "", props.fault ? `${id}-fault` : ""];
    for (const [name, value] of [
      ["aria-describedby", told.filter(Boolean).join(" ")],
      ["aria-invalid", props.fault ? "true" : ""],
    ] as const) {
      if (value) control?.setAttribute(name, value);
      else control?.removeAttribute(name);
    }
  });
  return (
    <div class={`field ${props.class ?? ""}`} ref={place}>
      <label for={id}>{props.label}</label>
      {props.children(id)}
      <Show when={props.hint}>
        <p class="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      </Show>
      <Fault text={props.fault ?? ""} id={`${id}-fault`} />
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
