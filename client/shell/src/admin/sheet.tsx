/** A form above or below a list: its fields, what went wrong, its answers. */
import { type JSX, onMount, Show } from "solid-js";
import { AnswerButton } from "../buttons.tsx";
import { type Doing, Fault, returnFocus } from "./parts.tsx";
import { t } from "./texts/index.ts";

export function Sheet(props: {
  label: string;
  class?: string;
  doing: Doing;
  /** What the main button says. */
  submit: string;
  onSubmit: (form: FormData) => void;
  /** For one that can be left: by Cancel, by Escape. Its first field has the focus. */
  onClose?: () => void;
  children: JSX.Element;
  /** What stands below the answers. */
  outcome?: JSX.Element;
}) {
  let form: HTMLFormElement | undefined;
  // One that is always there takes no focus, and gives none back.
  if (props.onClose) returnFocus(() => form);
  onMount(() => {
    if (!props.onClose) return;
    const first = ":is(input, select, textarea):not([readonly])";
    form?.querySelector<HTMLElement>(first)?.focus();
  });
  const submit = (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    props.onSubmit(new FormData(event.currentTarget));
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key === "Escape") props.onClose?.();
  };
  return (
    <form
      class={`sheet ${props.class ?? ""}`}
      aria-label={props.label}
      ref={form}
      onSubmit={submit}
      onKeyDown={leave}
    >
      {props.children}
      <Fault text={props.doing.fault()} />
      <div class="sheet-answers">
        <Show when={props.onClose}>
          {close => <AnswerButton onClick={() => close()()}>{t.cancel}</AnswerButton>}
        </Show>
        <AnswerButton main type="submit" disabled={props.doing.busy()}>
          {props.submit}
        </AnswerButton>
      </div>
      {props.outcome}
    </form>
  );
}

/** What was written in one of its fields, without the spaces around it; nothing if that is all. */
export function written(form: FormData, name: string): string | undefined {
  return String(form.get(name) ?? "").trim() || undefined;
}
