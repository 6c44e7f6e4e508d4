/** Tokens: which are good, new ones, and the end of one. */
import { createMemo, createSignal, For, onMount, Show } from "solid-js";
import type { MadeToken, TokenView } from "../../../core/src/admin-model.ts";
import type { Role } from "../../../core/src/protocol.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, room as at } from "./api.ts";
import type { Tools } from "./app.tsx";
import { moment } from "./format.ts";
import { Below, Entry, List, Section } from "./list.tsx";
import {
  CopyButton,
  comings,
  createAnswer,
  createDoing,
  Fault,
  Field,
  Question,
  RoomOptions,
} from "./parts.tsx";
import { Sheet, written } from "./sheet.tsx";
import { t } from "./texts/index.ts";

const ROLES: readonly Role[] = ["controller", "viewer", "agent"];
const DAY = "86400";

export function Tokens(props: Tools) {
  const tokens = createAnswer<TokenView[]>("api/tokens", () => comings(props.overview));
  const [making, setMaking] = createSignal(false);
  const [made, setMade] = createSignal<MadeToken | null>(null);
  const [ended, setEnded] = createSignal(false);
  const shown = createMemo(() => {
    const all = tokens.told() ?? [];
    const sorted = all.toSorted((one, other) => other.created_at - one.created_at);
    const chosen = props.room;
    return sorted.filter(
      token =>
        (ended() || stateOf(token, props.overview.now) === "good") &&
        (!chosen || token.room === chosen || token.room === null),
    );
  });
  return (
    <Section
      name="tokens"
      head={
        <>
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
        </>
      }
    >
      <Show when={making()}>
        <NewToken
          {...props}
          onMade={token => {
            setMaking(false);
            setMade(token);
            void tokens.load();
          }}
          onClose={() => setMaking(false)}
        />
      </Show>
      <Show when={made()} keyed>
        {token => <Made token={token} onClose={() => setMade(null)} />}
      </Show>
      <Fault text={tokens.fault()} />
      <List
        name="tokens"
        columns={[
          t.tokens.name,
          t.tokens.role,
          t.tokens.room,
          t.tokens.createdAt,
          t.tokens.endsAt,
          t.tokens.state,
          t.tokens.actions,
        ]}
        each={shown()}
        empty={tokens.told() ? t.tokens.none : t.loading}
      >
        {token => <TokenRow {...props} token={token} onDone={tokens.load} />}
      </List>
    </Section>
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
    <Entry
      data-token={props.token.name}
      below={
        <Below when={asked()}>
          <Question
            question={t.tokens.revokeQuestion(props.token.name)}
            what={t.tokens.revokeWhat}
            yes={t.tokens.revoke}
            no={t.tokens.keep}
            doing={doing}
            onNo={() => setAsked(false)}
            onYes={() => void revoke()}
          />
        </Below>
      }
    >
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
    </Entry>
  );
}

function NewToken(props: Tools & { onMade: (token: MadeToken) => void; onClose: () => void }) {
  const doing = createDoing();
  const [coloured, setColoured] = createSignal(false);
  const make = async (form: FormData) => {
    const text = (name: string) => written(form, name);
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
  return (
    <Sheet
      label={t.tokens.make}
      doing={doing}
      submit={t.tokens.create}
      onSubmit={form => void make(form)}
      onClose={props.onClose}
    >
      <div class="fields">
        <Field label={t.tokens.room}>
          {id => (
            <select id={id} name="room">
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
    </Sheet>
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
      <div class="made-text">
        <span class="made-name">{t.tokens.link}</span>
        <code>{props.token.url}</code>
        <CopyButton text={props.token.url} label={t.tokens.link} />
      </div>
      <div class="made-text">
        <span class="made-name">{t.tokens.token}</span>
        <code>{props.token.token}</code>
        <CopyButton text={props.token.token} label={t.tokens.token} />
      </div>
      <div class="sheet-answers">
        <AnswerButton onClick={props.onClose}>{t.close}</AnswerButton>
      </div>
    </section>
  );
}
