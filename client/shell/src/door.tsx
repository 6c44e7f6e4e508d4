/** The one action of a state that the element leaves to its page. */

import { createEffect, onCleanup } from "solid-js";
import { below } from "../../dom/src/socket.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import type { Seen } from "./follow.ts";

/** Fills the element's slot "action"; its place in the page is inside the element. */
export function Door(props: { room: TandemRoom; seen: Seen }) {
  createEffect(() => {
    const action = props.seen.notice()?.action;
    const offered =
      action === "token"
        ? tokenForm(props.room)
        : action === "main-room"
          ? mainRoom(props.room)
          : null;
    if (!offered) return;
    offered.slot = "action";
    props.room.append(offered);
    onCleanup(() => offered.remove());
  });
  return null;
}

function tokenForm({ room, src }: TandemRoom): HTMLElement {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("token");
    const token = (field as HTMLInputElement).value.trim();
    // The server moves it from the address into a cookie.
    if (token) location.assign(below(src, `rooms/${room}?token=${encodeURIComponent(token)}`));
  };
  return (
    <form class="door" onSubmit={submit}>
      <input
        name="token"
        type="password"
        aria-label="Token"
        placeholder="Token"
        autocomplete="off"
        required
      />
      <button type="submit">Open</button>
    </form>
  ) as HTMLElement;
}

function mainRoom({ src }: TandemRoom): HTMLElement {
  return (
    <a class="door" href={below(src, "rooms/main").href}>
      Go to the main room
    </a>
  ) as HTMLElement;
}
