/** What is offered while a person writes `@…` or `/…`: the project's files, the agent's commands. */
import {
  type Accessor,
  createEffect,
  createMemo,
  createSignal,
  For,
  on,
  onCleanup,
  Show,
} from "solid-js";
import type { Copilot } from "./copilot.ts";

const FILES_AFTER_MS = 120;
const MOST = 8;

export interface Offer {
  /** What takes the place of the word that is being written. */
  word: string;
  about: string;
}

export interface Offers {
  all: Accessor<readonly Offer[]>;
  chosen: Accessor<number>;
  /** Moves among them. */
  step: (by: 1 | -1) => void;
  /** The word that is being written, with its sign. */
  written: Accessor<string | null>;
  /** Offers nothing more for this word. */
  hush: () => void;
  /** Whether the project has a file; those that were offered are known. */
  isFile: (path: string) => Promise<boolean>;
}

export function createOffers(copilot: Copilot, before: Accessor<string>): Offers {
  const [hushed, setHushed] = createSignal<string | null>(null);
  const [files, setFiles] = createSignal<readonly string[]>([]);
  const [chosen, setChosen] = createSignal(0);
  const known = new Set<string>();
  const find = async (query: string): Promise<string[]> => {
    const paths = await copilot.api.files(query);
    for (const path of paths) known.add(path);
    return paths;
  };
  const word = createMemo(() => {
    const [, command] = /^\/([\w:-]*)$/.exec(before()) ?? [];
    if (command !== undefined && copilot.can()?.commands) return { sign: "/", text: command };
    const [, file] = /(?:^|\s)@([^\s@]*)$/.exec(before()) ?? [];
    if (file !== undefined && copilot.can()?.files) return { sign: "@", text: file };
    return null;
  });
  const written = createMemo(() => {
    const found = word();
    return found ? found.sign + found.text : null;
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  createEffect(
    on(written, now => {
      setChosen(0);
      clearTimeout(timer);
      const found = word();
      if (now !== hushed()) setHushed(null);
      if (found?.sign !== "@") return;
      timer = setTimeout(() => {
        find(found.text).then(
          paths => {
            if (written() === now) setFiles(paths);
          },
          () => setFiles([]),
        );
      }, FILES_AFTER_MS);
    }),
  );
  const all = createMemo((): Offer[] => {
    const found = word();
    if (!found || hushed() === written()) return [];
    if (found.sign === "@") {
      return files()
        .slice(0, MOST)
        .map(path => ({ word: `@${path}`, about: "" }));
    }
    const start = found.text.toLowerCase();
    return (copilot.choices()?.commands ?? [])
      .filter(one => one.name.toLowerCase().startsWith(start))
      .slice(0, MOST)
      .map(one => ({ word: `/${one.name}`, about: one.description }));
  });
  return {
    all,
    chosen,
    step: by => setChosen(at => (at + by + all().length) % all().length),
    written,
    hush: () => setHushed(written()),
    isFile: async path => {
      if (known.has(path)) return true;
      if (!copilot.can()?.files) return false;
      return (await find(path).catch((): string[] => [])).includes(path);
    },
  };
}

/** They are walked through by the keys of the field, which keeps the focus. */
export function OfferList(props: { offers: Offers; onChoose: (offer: Offer) => void }) {
  const { offers } = props;
  return (
    <Show when={offers.all().length > 0}>
      <div class="offers" id="offers" role="listbox" aria-label="Suggestions">
        <For each={offers.all()}>
          {(offer, at) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's, which keeps the focus.
            <div
              id={`offer-${at()}`}
              class="offer"
              role="option"
              aria-selected={at() === offers.chosen()}
              tabIndex={-1}
              onPointerDown={event => event.preventDefault()}
              onClick={() => props.onChoose(offer)}
            >
              <bdi>{offer.word}</bdi>
              <span class="small">{offer.about}</span>
            </div>
          )}
        </For>
      </div>
    </Show>
  );
}
