/** Tokens: which are good, new ones, and the end of one. */
import { createEffect, createMemo, createSignal, For, on, onMount, Show } from "solid-js";
import type { MadeToken, TokenView } from "../../../core/src/admin-model.ts";
import type { Role } from "../../../core/src/protocol.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, room as at, words } from "./api.ts";
import type { Tools } from "./app.tsx";
import { moment } from "./format.ts";
import { CopyButton, createDoing, Field, Question, RoomOptions } from "./parts.tsx";
import { t } from "./texts/index.ts";

const ROLES: readonly Role[] = ["controller", "viewer", "agent"];
const DAY = "86400";

export function Tokens(props: Tools) {
  const [tokens, setTokens] = createSignal<TokenView[] | null>(null);
  const [fault, setFault] = createSignal("");
  const [making, setMaking] = createSignal(false);
  const [made, setMade] = createSignal<MadeToken | null>(null);
  const [ended, setEnded] = createSignal(false);
  const load = async () => {
    try {
      setTokens(await ask<TokenView[]>("GET", "api/tokens"));
      setFault("");
    } catch (error) {
      setFault(words(error));
    }
  };
  onMount(() => void load());
  // Somebody came, left or a room went: tokens may have been used, or have ended.
  createEffect(
    on(
      () => props.overview.rooms.map(room => `${room.id} ${room.people.length}`).join(","),
      () => void load(),
      { defer: true },
    ),
  );
  const shown = createMemo(() => {
    const all = tokens() ?? [];
    const sorted = all.toSorted((one, other) => other.created_at - one.created_at);
    const chosen = props.room;
    return sorted.filter(
      token =>
        (ended() || stateOf(token, props.overview.now) === "good") &&
        (!chosen || token.room === chosen || token.room === null),
    );
  });
  return (
    <section aria-labelledby="tokens-title">
      <header class="section-head">
        <h2 id="tokens-title">{t.sections.tokens}</h2>
        <select
          aria-label={t.tokens.room}
          onChange={event => props.go("tokens", event.currentTarget.value)}
        >
          <option value="">{t.tokens.allRooms}</option>
          <RoomOptions {...props} />
        </select>
        <label class="check">
          <input
            type="checkbox"
            checked={ended()}
            onChange={event => setEnded(event.currentTarget.checked)}
          />
          {t.tokens.showEnded}
        </label>
        <span class="gap" />
        <AnswerButton main aria-expanded={making()} onClick={() => setMaking(shown => !shown)}>
          {t.tokens.make}
        </AnswerButton>
      </header>
      <Show when={making()}>
        <NewToken
          {...props}
          onMade={token => {
            setMaking(false);
            setMade(token);
            void load();
          }}
          onClose={() => setMaking(false)}
        />
      </Show>
      <Show when={made()} keyed>
        {token => <Made token={token} onClose={() => setMade(null)} />}
      </Show>
      <Show when={fault()}>
        <p class="fault" role="alert">
          {fault()}
        </p>
      </Show>
      <table class="table token-table" aria-label={t.sections.tokens}>
        <thead>
          <tr class="row head">
            <For
              each={[
                t.tokens.name,
                t.tokens.role,
                t.tokens.room,
                t.tokens.createdAt,
                t.tokens.endsAt,
                t.tokens.state,
                t.tokens.actions,
              ]}
            >
              {name => <th scope="col">{name}</th>}
            </For>
          </tr>
        </thead>
        <For
          each={shown()}
          fallback={
            <tbody>
              <tr>
                <td class="empty">{tokens() ? t.tokens.none : t.loading}</td>
              </tr>
            </tbody>
          }
        >
          {token => <TokenRow {...props} token={token} onDone={load} />}
        </For>
      </table>
    </section>
  );
}

type State = "good" | "over" | "revoked";

function stateOf(token: TokenView, now: number): State {
  if (token.revoked_at !== null) return "revoked";
  return token.expires_at !== null && token.expires_at * 1000 <= now ? "over" : "good";
}

function TokenRow(props: Tools & { token: TokenView; onDone: () => Promise<void> }) {
  const [asked, setAsked] = createSignal(false);
  const doing = createDoing();
  const state = () => stateOf(props.token, props.overview.now);
  const revoke = async () => {
    if (await doing.run(() => ask<void>("DELETE", `api/tokens/${props.token.id}`))) {
      setAsked(false);
      props.say(t.tokens.done(props.token.name));
      await props.onDone();
      await props.again();
    }
  };
  return (
    <tbody class="entry" data-token={props.token.name}>
      <tr class="row">
        <td class="name">
          <span class="room-name">
            <Show when={props.token.colour}>
              {colour => <span class="dot" style={{ background: colour() }} aria-hidden="true" />}
            </Show>
            {props.token.name}
          </span>
          <span class="page">{props.token.origin ?? props.token.id}</span>
        </td>
        <td data-label={t.tokens.role}>{t.roles[props.token.role]}</td>
        <td data-label={t.tokens.room}>{props.token.room ?? t.tokens.allRooms}</td>
        <td data-label={t.tokens.createdAt}>{moment(props.token.created_at * 1000)}</td>
        <td data-label={t.tokens.endsAt}>
          {props.token.expires_at === null ? "–" : moment(props.token.expires_at * 1000)}
        </td>
        <td data-label={t.tokens.state}>
          {t.tokens[state()]}
          <Show when={props.token.single_use}>
            <span class="acts">{props.token.used ? t.tokens.used : t.tokens.single}</span>
          </Show>
        </td>
        <td class="row-actions">
          <Show when={state() === "good"}>
            <AnswerButton
              aria-label={`${t.tokens.revoke}: ${props.token.name}`}
              onClick={() => setAsked(true)}
            >
              {t.tokens.revoke}
            </AnswerButton>
          </Show>
        </td>
      </tr>
      <Show when={asked()}>
        <tr class="below">
          <td>
            <Question
              question={t.tokens.revokeQuestion(props.token.name)}
              what={t.tokens.revokeWhat}
              yes={t.tokens.revoke}
              no={t.tokens.keep}
              busy={doing.busy()}
              fault={doing.fault()}
              onNo={() => setAsked(false)}
              onYes={() => void revoke()}
            />
          </td>
        </tr>
      </Show>
    </tbody>
  );
}

function NewToken(props: Tools & { onMade: (token: MadeToken) => void; onClose: () => void }) {
  const doing = createDoing();
  const [coloured, setColoured] = createSignal(false);
  let first: HTMLSelectElement | undefined;
  onMount(() => first?.focus());
  const make = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim() || undefined;
    const seconds = text("lasts");
    const body = {
      role: text("role"),
      name: text("name"),
      expires_in_seconds: seconds === undefined ? undefined : Number(seconds),
      colour: coloured() ? text("colour") : undefined,
      origin: text("origin"),
      single_use: form.has("single_use"),
    };
    const room = text("room") ?? "main";
    await doing.run(async () => {
      props.onMade(await ask<MadeToken>("POST", at(room, "/tokens"), body));
    });
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key === "Escape") props.onClose();
  };
  return (
    <form class="sheet" aria-label={t.tokens.make} onSubmit={make} onKeyDown={leave}>
      <div class="fields">
        <Field label={t.tokens.room}>
          {id => (
            <select id={id} name="room" ref={first}>
              <RoomOptions {...props} />
            </select>
          )}
        </Field>
        <Field label={t.tokens.role}>
          {id => (
            <select id={id} name="role">
              <For each={ROLES}>{role => <option value={role}>{t.roles[role]}</option>}</For>
            </select>
          )}
        </Field>
        <Field label={`${t.tokens.name} (${t.optional})`}>
          {id => <input id={id} name="name" maxlength="40" autocomplete="off" />}
        </Field>
        <Field label={t.tokens.lasts}>
          {id => (
            <select id={id} name="lasts">
              <For each={t.tokens.ends}>
                {([seconds, words]) => (
                  <option value={String(seconds)} selected={String(seconds) === DAY}>
                    {words}
                  </option>
                )}
              </For>
              <option value="">{t.tokens.noEnd}</option>
            </select>
          )}
        </Field>
        <Field label={`${t.tokens.origin} (${t.optional})`} hint={t.tokens.originHint}>
          {id => (
            <input id={id} name="origin" type="url" placeholder="https://" autocomplete="off" />
          )}
        </Field>
        <div class="field">
          <label class="check">
            <input type="checkbox" name="single_use" />
            {t.tokens.single}
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={coloured()}
              onChange={event => setColoured(event.currentTarget.checked)}
            />
            {t.tokens.ownColour}
          </label>
          <Show when={coloured()}>
            <input type="color" name="colour" value="#2563eb" aria-label={t.tokens.colour} />
          </Show>
        </div>
      </div>
      <Show when={doing.fault()}>
        <p class="fault" role="alert">
          {doing.fault()}
        </p>
      </Show>
      <div class="sheet-answers">
        <AnswerButton onClick={props.onClose}>{t.cancel}</AnswerButton>
        <button type="submit" class="answer main" disabled={doing.busy()}>
          {t.tokens.create}
        </button>
      </div>
    </form>
  );
}

/** The one time that a token's text is seen. */
function Made(props: { token: MadeToken; onClose: () => void }) {
  let place: HTMLElement | undefined;
  onMount(() => place?.focus());
  return (
    <section class="sheet made" aria-label={t.tokens.made} tabindex="-1" ref={place}>
      <p class="question-title">
        {props.token.name}: {t.tokens.once}
      </p>
      <div class="secret">
        <span class="secret-name">{t.tokens.link}</span>
        <code>{props.token.url}</code>
        <CopyButton text={props.token.url} label={t.tokens.link} />
      </div>
      <div class="secret">
        <span class="secret-name">{t.tokens.token}</span>
        <code>{props.token.token}</code>
        <CopyButton text={props.token.token} label={t.tokens.token} />
      </div>
      <div class="sheet-answers">
        <AnswerButton onClick={props.onClose}>{t.close}</AnswerButton>
      </div>
    </section>
  );
}
