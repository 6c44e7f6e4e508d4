/**
 * A section of the page with its head, and the list in columns that most of
 * them are. It knows nothing of what is listed.
 */
import { For, type JSX, Show, splitProps } from "solid-js";
import { type Section as Name, t } from "./texts/index.ts";

/** A section under its name; `head` stands beside the name. */
export function Section(props: { name: Name; head?: JSX.Element; children: JSX.Element }) {
  const id = () => `${props.name}-title`;
  return (
    <section aria-labelledby={id()}>
      <header class="section-head">
        <h2 id={id()}>{t.sections[props.name]}</h2>
        {props.head}
      </header>
      {props.children}
    </section>
  );
}

/** In a narrow window each entry is a card, whose cells have their names from `data-label`. */
export function List<T>(props: {
  name: Name;
  columns: readonly string[];
  each: readonly T[];
  /** What stands there when there is nothing. */
  empty: string;
  children: (item: T) => JSX.Element;
}) {
  return (
    <table class={`table ${props.name}-table`} aria-label={t.sections[props.name]}>
      <thead>
        <tr class="row head">
          <For each={props.columns}>{name => <th scope="col">{name}</th>}</For>
        </tr>
      </thead>
      <For
        each={props.each}
        fallback={
          <tbody>
            <tr>
              <td class="empty">{props.empty}</td>
            </tr>
          </tbody>
        }
      >
        {item => props.children(item)}
      </For>
    </table>
  );
}

type Attributes = Omit<JSX.HTMLAttributes<HTMLTableSectionElement>, "children">;

/** One entry: its cells, and what is open below them. */
export function Entry(props: Attributes & { children: JSX.Element; below?: JSX.Element }) {
  const [own, rest] = splitProps(props, ["children", "below"]);
  return (
    <tbody class="entry" {...rest}>
      <tr class="row">{own.children}</tr>
      {own.below}
    </tbody>
  );
}

/** What opens below an entry, as wide as the list. */
export function Below(props: { when: unknown; children: JSX.Element }) {
  return (
    <Show when={props.when}>
      <tr class="below">
        <td>{props.children}</td>
      </tr>
    </Show>
  );
}
