/**
 * The server as it is, asked every two seconds while somebody looks. What did
 * not change stays the same object, so nothing that is shown is made anew.
 */
import { type Accessor, createSignal, onCleanup } from "solid-js";
import { createStore, reconcile } from "solid-js/store";
import type { Overview } from "../../../core/src/admin-model.ts";
import { ask, Refused } from "./api.ts";

const EVERY_MS = 2000;
const AFTER_FAULT_MS = 4000;

export interface Watch {
  /** Null before the first answer. */
  overview: Accessor<Overview | null>;
  /** The last try had no answer; what is shown was true before. */
  lost: Accessor<boolean>;
  /** Who asks is not the admin. */
  refused: Accessor<Refused | null>;
  /** Asks now, after something was done. */
  again: () => Promise<void>;
}

export function watchServer(): Watch {
  const [store, setStore] = createStore<{ overview: Overview | null }>({ overview: null });
  const [lost, setLost] = createSignal(false);
  const [refused, setRefused] = createSignal<Refused | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  let round = 0;

  const again = async () => {
    clearTimeout(timer);
    round += 1;
    const mine = round;
    let next = EVERY_MS;
    try {
      const overview = await ask<Overview>("GET", "api/admin");
      // What was asked for later tells more.
      if (mine !== round) return;
      setStore("overview", reconcile(overview, { key: "id", merge: true }));
      setLost(false);
      setRefused(null);
    } catch (error) {
      if (mine !== round) return;
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
        setRefused(error);
        return;
      }
      setLost(true);
      next = AFTER_FAULT_MS;
    }
    if (!ended && document.visibilityState === "visible") {
      timer = setTimeout(() => void again(), next);
    }
  };
  const seen = () => {
    if (document.visibilityState === "visible") void again();
    else clearTimeout(timer);
  };
  document.addEventListener("visibilitychange", seen);
  onCleanup(() => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  });
  void again();
  return { overview: () => store.overview, lost, refused, again };
}
