/**
 * What is written and not sent yet, by session: it outlives a reload of the
 * page, in the storage of the tab. It is nobody else's, and ends with the tab.
 */

import { createSignal } from "solid-js";
import type { Id, Prompt } from "../../../core/src/sessions-model.ts";
import { storage } from "../remembered.ts";
import { type Attached, withKey } from "./attach.ts";

export interface Draft {
  text: string;
  files: readonly Attached[];
  /** What the next prompts are for, if it is not what was used last. */
  model: string | null;
  agent: string | null;
}

export const NO_DRAFT: Draft = { text: "", files: [], model: null, agent: null };

/** What waits to be said until the agent is done with the last. */
export interface Queued {
  key: number;
  /** Empty where there is none yet. */
  session: Id;
  prompt: Prompt;
  /** It is on its way, as soon as there is an agent. */
  sending?: true;
}

/** As it is kept. */
type Stand = Pick<Queued, "session" | "prompt">;

/** Letters of files' content that are kept over a reload; a tab has room for about five million. */
const MOST_KEPT = 2_000_000;

/** One thing in the tab's storage, as JSON. What does not fit is not kept, which harms nothing now. */
function kept<T>(name: string, isOne: (value: unknown) => value is T) {
  const key = `tandem.${name}`;
  return {
    read: (): T | null => {
      try {
        const value: unknown = JSON.parse(storage("sessionStorage")?.getItem(key) ?? "null");
        return isOne(value) ? value : null;
      } catch {
        return null;
      }
    },
    write: (value: T | null): void => {
      try {
        if (value === null) storage("sessionStorage")?.removeItem(key);
        else storage("sessionStorage")?.setItem(key, JSON.stringify(value));
      } catch {
        // Not allowed here, or full.
      }
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isText = (value: unknown): value is string => typeof value === "string";
const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);

type Written = Omit<Draft, "files">;
const isWritten = (value: unknown): value is Written =>
  isFields(value) && isText(value.text) && isTextOrNull(value.model) && isTextOrNull(value.agent);

type Stored = Omit<Attached, "key">;
const isFiles = (value: unknown): value is Stored[] =>
  Array.isArray(value) &&
  value.every(one => isFields(one) && isText(one.name) && isText(one.mime) && isText(one.data));

const isQueue = (value: unknown): value is Stand[] =>
  Array.isArray(value) &&
  value.every(
    one => isFields(one) && isText(one.session) && isFields(one.prompt) && isText(one.prompt.text),
  );

/** The first ones that fit together. */
function within<T>(all: readonly T[], sizeOf: (one: T) => number): T[] {
  let left = MOST_KEPT;
  return all.filter(one => {
    left -= sizeOf(one);
    return left >= 0;
  });
}

export function createDrafts(place: string) {
  const nameOf = (session: Id) => `${place}.${session}`;
  const written = (session: Id) => kept(`draft.${nameOf(session)}`, isWritten);
  // Apart from the words, which are written at every key.
  const carried = (session: Id) => kept(`files.${nameOf(session)}`, isFiles);
  const [drafts, setDrafts] = createSignal<ReadonlyMap<Id, Draft>>(new Map());
  const read = (session: Id): Draft => {
    const words = written(session).read();
    const files = carried(session).read();
    if (!words && !files) return NO_DRAFT;
    return { ...NO_DRAFT, ...words, files: (files ?? []).map(withKey) };
  };
  const before = new Map<Id, Draft>();
  const of = (session: Id): Draft => {
    const known = drafts().get(session) ?? before.get(session);
    if (known) return known;
    const found = read(session);
    before.set(session, found);
    return found;
  };
  const change = (session: Id, part: Partial<Draft>): void => {
    const known = of(session);
    const { files, ...words } = { ...known, ...part };
    setDrafts(all => new Map(all).set(session, { ...words, files }));
    const isEmpty = words.text === "" && words.model === null && words.agent === null;
    written(session).write(isEmpty ? null : words);
    if (files === known.files) return;
    const stored = within(files, file => file.data.length);
    carried(session).write(
      stored.length === 0 ? null : stored.map(({ name, mime, data }) => ({ name, mime, data })),
    );
  };
  return { of, change };
}

/** The queue of a project's sessions, as it was before the page was loaded, and then as it is told. */
export function keptQueue(place: string) {
  const store = kept(`queue.${place}`, isQueue);
  const weight = ({ prompt }: Stand) =>
    prompt.text.length +
    (prompt.files ?? []).reduce((sum, one) => sum + (one.data?.length ?? 0), 0);
  return {
    read: (): Stand[] => store.read() ?? [],
    write: (queue: readonly Queued[]): void => {
      const all = within(queue, weight).map(({ session, prompt }) => ({ session, prompt }));
      store.write(all.length === 0 ? null : all);
    },
  };
}
