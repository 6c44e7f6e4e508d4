/**
 * The record, fetched: the newest lines again every few seconds while it is
 * looked at, older ones on demand. It keeps so many lines and no more.
 */
import { type Accessor, createEffect, createSignal, on, onCleanup } from "solid-js";
import {
  joinLines,
  type RecordFilter,
  type RecordLine,
  readRecord,
  recordQuery,
} from "../../core/src/index.ts";

const EVERY_MS = 3000;
const MOST_LINES = 3000;

export type FeedState = "loading" | "ready" | "forbidden" | "broken";

export interface Feed {
  lines: Accessor<RecordLine[]>;
  state: Accessor<FeedState>;
  /** There are older ones. */
  more: Accessor<boolean>;
  older: () => void;
  again: () => void;
}

export function createFeed(address: URL, filter: Accessor<RecordFilter>): Feed {
  const [lines, setLines] = createSignal<RecordLine[]>([]);
  const [state, setState] = createSignal<FeedState>("loading");
  const [next, setNext] = createSignal<string | null>(null);
  let round = 0;
  let fetching: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const get = async (cursor: string | null) => {
    const mine = round;
    const url = new URL(address);
    for (const [name, value] of Object.entries(recordQuery(filter(), cursor))) {
      url.searchParams.set(name, value);
    }
    fetching = new AbortController();
    const signal = AbortSignal.any([fetching.signal, AbortSignal.timeout(10_000)]);
    try {
      const answer = await fetch(url, { signal });
      if (mine !== round) return null;
      if (answer.status === 401 || answer.status === 403) {
        setState("forbidden");
        return null;
      }
      const page = answer.ok ? readRecord(await answer.json()) : null;
      if (mine !== round) return null;
      if (!page) setState("broken");
      else setState("ready");
      return page;
    } catch {
      if (mine === round) setState("broken");
      return null;
    }
  };

  const newest = async () => {
    clearTimeout(timer);
    const mine = round;
    const page = document.hidden ? null : await get(null);
    if (mine !== round) return;
    if (page) {
      const known = lines();
      const meet = known.length === 0 || page.lines.some(line => line.seq <= (known[0]?.seq ?? 0));
      // More has come than one page tells: what is known is old, and has a gap before it.
      if (!meet || known.length === 0) {
        setLines(page.lines);
        setNext(page.next);
      } else if (page.lines[0]?.seq !== known[0]?.seq) {
        setLines(joinLines(known, page.lines).slice(0, MOST_LINES));
      }
    }
    if (state() !== "forbidden") timer = setTimeout(() => void newest(), EVERY_MS);
  };

  const start = () => {
    round += 1;
    fetching?.abort();
    fetching = null;
    setLines([]);
    setNext(null);
    setState("loading");
    void newest();
  };

  let loading = false;
  const older = async () => {
    const cursor = next();
    if (loading || cursor === null) return;
    loading = true;
    const page = await get(cursor);
    loading = false;
    // Meanwhile another filter, or a fresh start: then this page is of something else.
    if (!page || next() !== cursor) return;
    setLines(joinLines(lines(), page.lines));
    setNext(page.next);
  };

  createEffect(on(filter, start));
  onCleanup(() => {
    round += 1;
    clearTimeout(timer);
    fetching?.abort();
  });
  return {
    lines,
    state,
    more: () => next() !== null && lines().length < MOST_LINES,
    older: () => void older(),
    again: start,
  };
}
