/**
 * What agents want a yes for: one card, the oldest first, beside the picture
 * so that it never covers what it asks about; on a phone a sheet from below.
 * Whatever comes from the page or an agent is shown as text, and marked.
 */

import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import {
  type Answer,
  type ApprovalView,
  answeredWords,
  argumentsOf,
  askedOf,
  ruleWords,
  sayPieces,
  sentenceOf,
  settledWords,
  shownText,
  timeLeft,
} from "../../core/src/index.ts";
import { below } from "../../dom/src/socket.ts";
import type { TandemRoom, TandemRoomEventMap } from "../../element/src/index.ts";
import { AnswerButton } from "./buttons.tsx";
import { CHORDS } from "./chords.ts";
import { colourStyle } from "./floor.tsx";
import type { Seen } from "./follow.ts";
import { Icon } from "./icons.tsx";

/** A card that has just come under a finger is not answered by it. */
const SETTLES_MS = 400;
/** So long it is said that somebody else was first. */
const TOLD_MS = 6000;
/** So long it may take to be told what became of a question that vanished. */
const LATEST_MS = 1000;
/** Questions of which it is remembered what became. */
const MOST_KNOWN = 32;

export interface ApprovalsProps {
  room: TandemRoom;
  seen: Seen;
  /** It is asked in another place of the page, which is in sight. */
  elsewhere: (approval: ApprovalView) => boolean;
  /** Somebody else was first; empty when that is no news any more. */
  onTold: (words: string) => void;
  /** Gives the way to the card to whoever has the chord. */
  onCard: (go: (() => void) | null) => void;
}

export const asks = (seen: Seen): ApprovalView[] => (seen.joined() ? askedOf(seen.view()) : []);

export function Approvals(props: ApprovalsProps) {
  const queue = () => asks(props.seen).filter(each => !props.elsewhere(each));
  const front = createMemo(() => queue()[0] ?? null);
  const frontId = createMemo(() => front()?.id ?? null);
  const you = () => props.seen.you()?.id ?? null;
  // Of those that vanish unanswered from here, who was first, as long as the view tells.
  const mine = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  const tell = (words: string) => {
    props.onTold(words);
    clearTimeout(timer);
    timer = setTimeout(() => props.onTold(""), TOLD_MS);
  };
  // What became of a question may come before or after the view without it.
  const known = new Map<string, string>();
  let awaited: string | null = null;
  let patience: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(patience));
  const onSettled = ({ detail: { id, how } }: TandemRoomEventMap["settled"]) => {
    const words = settledWords(how, you());
    if (awaited === id) {
      awaited = null;
      clearTimeout(patience);
      tell(words);
    } else {
      known.set(id, words);
      for (const [oldest] of known) if (known.size > MOST_KNOWN) known.delete(oldest);
    }
  };
  props.room.addEventListener("settled", onSettled);
  onCleanup(() => props.room.removeEventListener("settled", onSettled));
  createEffect(
    on(frontId, (_, before) => {
      if (!before || mine.has(before)) return;
      const found = props.seen.view()?.approvals.find(each => each.id === before);
      const words = found?.answered ? answeredWords(found.answered, you()) : known.get(before);
      if (words) tell(words);
      else if (!found && props.seen.joined()) {
        awaited = before;
        clearTimeout(patience);
        patience = setTimeout(() => {
          awaited = null;
          tell("That question was settled.");
        }, LATEST_MS);
      }
    }),
  );
  const answer = (id: string, given: Answer) => {
    mine.add(id);
    props.room.approve(id, given);
  };
  return (
    <>
      <p class="unseen" aria-live="polite">
        {announce(front(), queue().length)}
      </p>
      {/* By its id: a view that comes while somebody writes makes no new card. */}
      <Show when={frontId()} keyed>
        {id => (
          <Show when={queue().find(each => each.id === id) ?? front()}>
            {approval => (
              <Card
                approval={approval()}
                more={queue().length}
                mayAnswer={props.seen.mayAct()}
                src={props.room.src}
                onAnswer={given => answer(id, given)}
                onCard={props.onCard}
              />
            )}
          </Show>
        )}
      </Show>
    </>
  );
}

function announce(front: ApprovalView | null, many: number): string {
  if (!front) return "";
  const rest = many > 1 ? ` ${many} questions wait.` : "";
  return `${front.name} asks: ${sayPieces(sentenceOf(front))}?${rest} ${CHORDS.card.aria.replaceAll("+", " ")} goes there.`;
}

function Card(props: {
  approval: ApprovalView;
  more: number;
  mayAnswer: boolean;
  src: string;
  onAnswer: (answer: Answer) => void;
  onCard: (go: (() => void) | null) => void;
}) {
  const [word, setWord] = createSignal("");
  const [ready, setReady] = createSignal(false);
  const [sent, setSent] = createSignal(false);
  const [seenPicture, setSeenPicture] = createSignal(true);
  const agent = () => ({
    id: props.approval.actor,
    kind: props.approval.role === "agent" ? ("agent" as const) : ("person" as const),
  });
  let card: HTMLElement | undefined;
  let deny: HTMLButtonElement | undefined;

  const settle = setTimeout(() => {
    setReady(true);
    // Never out of the hands of somebody who types, into the picture or anywhere else.
    const active = document.activeElement;
    const types = active?.matches("tandem-room, input, textarea, select") ?? false;
    if (!types) deny?.focus({ preventScroll: true });
  }, SETTLES_MS);
  onCleanup(() => clearTimeout(settle));

  const give = (answer: Answer) => {
    if (!ready() || sent()) return;
    setSent(true);
    props.onAnswer(answer);
  };
  const refuse = () => {
    const message = word().trim();
    give(message ? { answer: "deny", message } : { answer: "deny" });
  };
  // The chord once: here. Once more, here: yes, once.
  props.onCard(() => {
    if (card?.contains(document.activeElement)) give({ answer: "once" });
    else (deny ?? card)?.focus({ preventScroll: true });
  });
  onCleanup(() => props.onCard(null));
  // An answer that the server refused leaves the question open.
  createEffect(() => {
    if (!sent()) return;
    const again = setTimeout(() => setSent(false), 3000);
    onCleanup(() => clearTimeout(again));
  });

  return (
    <section
      class="approval"
      role="alertdialog"
      aria-labelledby="approval-title"
      aria-describedby="approval-what"
      tabindex="-1"
      style={colourStyle(agent())}
      ref={card}
    >
      <Countdown approval={props.approval} />
      <header class="approval-head">
        <h2 id="approval-title">
          <Icon name={agent().kind === "agent" ? "bot" : "user"} />
          <span class="words">{props.approval.name} wants a yes</span>
        </h2>
        <Show when={props.more > 1}>
          <span class="count">1 of {props.more}</span>
        </Show>
      </header>
      <div class="approval-body">
        <p class="what" id="approval-what">
          <For each={sentenceOf(props.approval)}>
            {piece => (
              <Show when={piece.is !== "ours"} fallback={piece.text}>
                <bdi
                  classList={{ "page-words": piece.is === "page", place: piece.is === "place" }}
                  title={piece.is === "page" ? "The page's own words" : undefined}
                >
                  {piece.text}
                </bdi>
              </Show>
            )}
          </For>
        </p>
        <Show when={props.approval.picture && seenPicture()}>
          <img
            class="approval-picture"
            src={
              below(props.src, `api/approvals/${encodeURIComponent(props.approval.id)}/picture`)
                .href
            }
            alt="The page around it, with what it is about outlined"
            onError={() => setSeenPicture(false)}
          />
        </Show>
        <Show when={props.approval.texts.length > 0}>
          <div class="approval-part">
            <h3>{props.approval.texts.length > 1 ? "Texts to be typed" : "Text to be typed"}</h3>
            <For each={props.approval.texts}>{text => <pre>{shownText(text)}</pre>}</For>
          </div>
        </Show>
        <Show when={argumentsOf(props.approval).length > 0}>
          <details class="approval-part">
            <summary>With</summary>
            <dl class="arguments">
              <For each={argumentsOf(props.approval)}>
                {([name, value]) => (
                  <>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                  </>
                )}
              </For>
            </dl>
          </details>
        </Show>
        <Show when={props.approval.shortened}>
          <p class="small">It is longer than what is shown here.</p>
        </Show>
        <Show when={props.approval.why}>
          {why => (
            <div class="approval-part">
              <h3>Why, as {props.approval.name} says</h3>
              <p class="why">{shownText(why())}</p>
            </div>
          )}
        </Show>
        <p class="small">
          {ruleWords(props.approval)}
          {props.approval.rule?.note ? `: ${props.approval.rule.note}` : ""}.{" "}
          <code>{props.approval.tool}</code>
        </p>
        <Show when={props.approval.always}>
          {always => <p class="small">“Always”: {always()}</p>}
        </Show>
      </div>
      <Show
        when={props.mayAnswer}
        fallback={<p class="small approval-foot">People who may act here can answer.</p>}
      >
        <form
          class="approval-foot"
          onSubmit={event => {
            event.preventDefault();
            refuse();
          }}
        >
          <input
            class="note"
            aria-label={`A word to ${props.approval.name}, if you say no`}
            placeholder={`A word to ${props.approval.name}, with a no`}
            maxlength={500}
            autocomplete="off"
            value={word()}
            onInput={event => setWord(event.currentTarget.value)}
          />
          <div class="approval-answers">
            <AnswerButton type="submit" ref={deny} disabled={sent()}>
              Deny
            </AnswerButton>
            <span class="gap" />
            <Show when={props.approval.can_be_always}>
              <AnswerButton
                disabled={!ready() || sent()}
                title="Yes, and no more questions for the same on this site"
                onClick={() => give({ answer: "always-for-origin" })}
              >
                Always on this site
              </AnswerButton>
            </Show>
            <Show when={props.approval.always}>
              {always => (
                <AnswerButton
                  disabled={!ready() || sent()}
                  title={always()}
                  onClick={() => give({ answer: "always" })}
                >
                  Always
                </AnswerButton>
              )}
            </Show>
            <AnswerButton
              main
              disabled={!ready() || sent()}
              aria-keyshortcuts={CHORDS.card.aria}
              title={`Yes, this time (${CHORDS.card.shown}, twice)`}
              onClick={() => give({ answer: "once" })}
            >
              Once
            </AnswerButton>
          </div>
        </form>
      </Show>
    </section>
  );
}

/** A thin line that grows shorter; the hour is there for who wants to read it. */
function Countdown(props: { approval: ApprovalView }) {
  const first = Date.now();
  const [now, setNow] = createSignal(first);
  const timer = setInterval(() => setNow(Date.now()), 1000);
  onCleanup(() => clearInterval(timer));
  const left = () => timeLeft(props.approval, first, now());
  const until = () =>
    new Date(props.approval.expires_at).toLocaleTimeString([], {
      hour: "2-digit",
      minute: "2-digit",
    });
  return (
    <Show when={left() !== null}>
      <div class="countdown" title={`It is a no after ${until()}`}>
        <div style={{ width: `${(left() ?? 0) * 100}%` }} />
        <span class="unseen">It is a no after {until()}.</span>
      </div>
    </Show>
  );
}
