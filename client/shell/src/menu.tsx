/**
 * What opens below a button, and closes at a press elsewhere, by Escape, or
 * when something of it is chosen. Arrow keys walk through it.
 */
import { type Accessor, createSignal, type JSX, onCleanup, Show } from "solid-js";
import { activeIn } from "./active.ts";
import { ToolButton } from "./buttons.tsx";

export interface MenuState {
  open: Accessor<boolean>;
  toggle: () => void;
  /** The focus goes back to what opened it, if it was inside. */
  close: () => void;
  /** Around both the button and what it opens. */
  holder: (element: HTMLElement) => void;
  opener: (element: HTMLButtonElement) => void;
}

export function createMenu(closed?: () => void): MenuState {
  const [open, setOpen] = createSignal(false);
  let holder: HTMLElement | undefined;
  let opener: HTMLButtonElement | undefined;
  const shut = () => {
    setOpen(false);
    closed?.();
  };
  const close = () => {
    const inside = holder?.contains(activeIn(holder));
    shut();
    if (inside) opener?.focus();
  };
  const outside = (event: PointerEvent) => {
    if (open() && holder && !event.composedPath().includes(holder)) shut();
  };
  const key = (event: KeyboardEvent) => {
    if (!open()) return;
    if (event.key === "Escape") {
      // Only this is left by it, not what it stands in.
      event.stopPropagation();
      close();
      opener?.focus();
      return;
    }
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0 || !holder?.contains(activeIn(holder))) return;
    event.preventDefault();
    const all = [...holder.querySelectorAll<HTMLElement>(".menu button:not(:disabled)")];
    const at = all.indexOf(activeIn(holder) as HTMLElement);
    const next = at < 0 && by < 0 ? all.length - 1 : (at + by + all.length) % all.length;
    all[next]?.focus();
  };
  document.addEventListener("pointerdown", outside, { capture: true });
  document.addEventListener("keydown", key, { capture: true });
  onCleanup(() => {
    document.removeEventListener("pointerdown", outside, { capture: true });
    document.removeEventListener("keydown", key, { capture: true });
  });
  return {
    open,
    toggle: () => (open() ? close() : setOpen(true)),
    close,
    holder: element => {
      holder = element;
    },
    opener: element => {
      opener = element;
    },
  };
}

/** A menu behind an icon. */
export function Menu(props: {
  id: string;
  label: string;
  icon: JSX.Element;
  class?: string;
  /** What is half chosen is not any more when it closes. */
  onClose?: () => void;
  children: (close: () => void) => JSX.Element;
}) {
  const menu = createMenu(() => props.onClose?.());
  return (
    <div class="menu-holder" ref={menu.holder}>
      <ToolButton
        label={props.label}
        ref={menu.opener}
        aria-expanded={menu.open()}
        aria-controls={props.id}
        onClick={menu.toggle}
      >
        {props.icon}
      </ToolButton>
      <Show when={menu.open()}>
        <div class={`menu ${props.class ?? ""}`} id={props.id}>
          {props.children(menu.close)}
        </div>
      </Show>
    </div>
  );
}
