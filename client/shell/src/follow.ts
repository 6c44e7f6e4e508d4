/** What the room element tells, as signals. */
import { type Accessor, createSignal, onCleanup } from "solid-js";
import type { Notice, Presence, RoomView, Stats, TandemRoom } from "../../element/src/index.ts";

export interface Seen {
  view: Accessor<RoomView | null>;
  you: Accessor<Presence | null>;
  mayAct: Accessor<boolean>;
  notice: Accessor<Notice | null>;
  live: Accessor<boolean>;
  /** The room answers, so what it says of itself is true now. */
  joined: Accessor<boolean>;
  /** The door is closed: who is inside is no longer ours to show. */
  refused: Accessor<boolean>;
  stats: Accessor<Stats | null>;
}

export function follow(room: TandemRoom): Seen {
  const [view, setView] = createSignal(room.view);
  const [you, setYou] = createSignal(room.you);
  const [mayAct, setMayAct] = createSignal(room.mayAct);
  const [notice, setNotice] = createSignal(room.notice);
  const isJoined = () => room.state.name === "live" || room.state.name === "joined";
  const [joined, setJoined] = createSignal(isJoined());
  const [refused, setRefused] = createSignal(room.state.name === "refused");
  const [live, setLive] = createSignal(room.state.name === "live");
  const [stats, setStats] = createSignal(room.stats);

  const onView = (event: CustomEvent<RoomView>) => {
    setView(event.detail);
    setNotice(room.notice);
    setYou(room.you);
    setMayAct(room.mayAct);
  };
  const onState = () => {
    setLive(room.state.name === "live");
    setJoined(isJoined());
    setRefused(room.state.name === "refused");
    setNotice(room.notice);
    setYou(room.you);
    setMayAct(room.mayAct);
  };
  const onStats = (event: CustomEvent<Stats>) => setStats(event.detail);
  room.addEventListener("view", onView);
  room.addEventListener("state", onState);
  room.addEventListener("stats", onStats);
  onCleanup(() => {
    room.removeEventListener("view", onView);
    room.removeEventListener("state", onState);
    room.removeEventListener("stats", onStats);
  });
  return { view, you, mayAct, notice, live, joined, refused, stats };
}

/** A media query as a signal. */
export function matches(query: string): Accessor<boolean> {
  const list = matchMedia(query);
  const [matched, setMatched] = createSignal(list.matches);
  const changed = () => setMatched(list.matches);
  list.addEventListener("change", changed);
  onCleanup(() => list.removeEventListener("change", changed));
  return matched;
}
