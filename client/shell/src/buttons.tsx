/** The two kinds of buttons that are everywhere: a tool that is an icon, and an answer in words. */
import { type JSX, splitProps } from "solid-js";

type Button = Omit<JSX.ButtonHTMLAttributes<HTMLButtonElement>, "aria-label">;

/** An icon to press. Its name is told to who cannot see it, and shown to who points at it. */
export function ToolButton(props: Button & { label: string }) {
  const [own, rest] = splitProps(props, ["label", "children"]);
  return (
    <button type="button" class="tool" title={own.label} {...rest} aria-label={own.label}>
      {own.children}
    </button>
  );
}

/** An answer to what is asked; the main one is the one that is wanted most often. */
export function AnswerButton(props: Button & { main?: boolean }) {
  const [own, rest] = splitProps(props, ["main", "children"]);
  return (
    <button type="button" class="answer" classList={{ main: own.main ?? false }} {...rest}>
      {own.children}
    </button>
  );
}
