/** Who is here. Agents are square, people round: colour is never alone. */
import { For, Show } from "solid-js";
import {
  initialsOf,
  listNames,
  type Presence,
  paintOf,
  type RoomView,
} from "../../core/src/index.ts";
import { Icon } from "./icons.tsx";

const colour = (who: Presence) => ({ "--_actor": paintOf(who) });

export function People(props: { view: RoomView | null; you: Presence | null; most: number }) {
  const present = () => props.view?.present ?? [];
  // When not all fit: who acts, then the agents, then you; those shown stay in order of arrival.
  const weight = (who: Presence) =>
    who.id === props.view?.holder?.id
      ? 0
      : who.kind === "agent"
        ? 1
        : who.id === props.you?.id
          ? 2
          : 3;
  const shown = () => {
    if (present().length <= props.most) return present();
    const chosen = new Set(
      [...present()].sort((a, b) => weight(a) - weight(b)).slice(0, props.most - 1),
    );
    return present().filter(who => chosen.has(who));
  };
  const rest = () => present().filter(who => !shown().includes(who));
  const label = (who: Presence) => {
    const kind = who.kind === "agent" ? ", an agent" : "";
    return who.id === props.you?.id ? `${who.name}, you` : `${who.name}${kind}`;
  };
  return (
    <Show when={present().length > 0}>
      <ul class="people" aria-label={`Here: ${listNames(present(), props.you?.id ?? null)}`}>
        <For each={shown()}>
          {who => (
            <li
              class="avatar"
              classList={{
                agent: who.kind === "agent",
                acting: props.view?.holder?.id === who.id,
              }}
              style={colour(who)}
              title={label(who)}
            >
              <Show when={who.kind === "agent"} fallback={initialsOf(who.name)}>
                <Icon name="bot" />
              </Show>
              <span class="unseen">{label(who)}</span>
            </li>
          )}
        </For>
        <Show when={rest().length > 0}>
          <li class="avatar rest" title={rest().map(label).join("\n")}>
            +{rest().length}
          </li>
        </Show>
      </ul>
    </Show>
  );
}
