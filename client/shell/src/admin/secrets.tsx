/**
 * Secrets that agents type without reading them: which there are, new ones,
 * other values. A value goes from its field to the server and is forgotten;
 * none ever comes back.
 */
import { createMemo, createSignal, For, onCleanup, Show } from "solid-js";
import type { SecretKind, SecretList, SecretView } from "../../../core/src/admin-model.ts";
import { entriesOf } from "../../../core/src/entries.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, words } from "./api.ts";
import type { Tools } from "./app.tsx";
import { moment } from "./format.ts";
import { Below, Entry, List, Section } from "./list.tsx";
import { comings, createAnswer, createDoing, Fault, Field, Question } from "./parts.tsx";
import { Sheet, written } from "./sheet.tsx";
import { t } from "./texts/index.ts";

const KINDS: readonly SecretKind[] = ["password", "text", "totp"];
const LOOKS_EVERY_MS = 10_000;
const at = (name: string) => `api/secrets/${encodeURIComponent(name)}`;

export function Secrets(props: Tools) {
  const [making, setMaking] = createSignal(false);
  // Their use is told by nothing else: now and then they are asked for anew.
  const turn = () => Math.floor(props.overview.now / LOOKS_EVERY_MS);
  const list = createAnswer<SecretList>(
    "api/secrets",
    () => `${turn()} ${comings(props.overview)}`,
  );
  const all = createMemo(() => list.told()?.secrets ?? []);
  // What did not change keeps its row, and what is open in it.
  const names = createMemo(() => all().map(secret => secret.name));
  const found = (name: string) => all().find(secret => secret.name === name);
  return (
    <Section
      name="secrets"
      head={
        <>
          <span class="gap" />
          <AnswerButton main aria-expanded={making()} onClick={() => setMaking(shown => !shown)}>
            {t.secrets.make}
          </AnswerButton>
        </>
      }
    >
      <Show when={list.told()?.trouble}>
        {trouble => (
          <p class="banner" role="alert">
            <b>{t.secrets.trouble}</b> {words(trouble())}
          </p>
        )}
      </Show>
      <p class="hint section-hint">{t.secrets.hint}</p>
      <Show when={making()}>
        <SecretForm
          {...props}
          names={names()}
          onKept={name => {
            setMaking(false);
            props.say(t.secrets.kept(name));
            void list.load();
          }}
          onClose={() => setMaking(false)}
        />
      </Show>
      <Fault text={list.fault()} />
      <List
        name="secrets"
        columns={[
          t.secrets.name,
          t.secrets.kind,
          t.secrets.origins,
          t.secrets.room,
          t.secrets.madeAt,
          t.secrets.usedAt,
          t.secrets.actions,
        ]}
        each={names()}
        empty={list.told() ? t.secrets.none : t.loading}
      >
        {name => (
          <Show when={found(name)}>
            {secret => <SecretRow {...props} secret={secret()} onDone={list.load} />}
          </Show>
        )}
      </List>
    </Section>
  );
}

function SecretRow(props: Tools & { secret: SecretView; onDone: () => Promise<void> }) {
  const [open, setOpen] = createSignal<"replace" | "remove" | null>(null);
  const doing = createDoing();
  const gone = () =>
    props.secret.room !== null && !props.overview.rooms.some(room => room.id === props.secret.room);
  const remove = async () => {
    const { name } = props.secret;
    if (await doing.run(() => ask<void>("DELETE", at(name)))) {
      setOpen(null);
      props.say(t.secrets.removed(name));
    }
    await props.onDone();
  };
  return (
    <Entry
      data-secret={props.secret.name}
      below={
        <>
          <Below when={open() === "replace"}>
            <SecretForm
              {...props}
              replaces={props.secret}
              onKept={name => {
                setOpen(null);
                props.say(t.secrets.replaced(name));
                void props.onDone();
              }}
              onClose={() => setOpen(null)}
            />
          </Below>
          <Below when={open() === "remove"}>
            <Question
              question={t.secrets.removeQuestion(props.secret.name)}
              what={t.secrets.removeWhat}
              yes={t.secrets.remove}
              no={t.secrets.keep}
              doing={doing}
              onNo={() => setOpen(null)}
              onYes={() => void remove()}
            />
          </Below>
        </>
      }
    >
      <td class="name">
        <code>secret:{props.secret.name}</code>
      </td>
      <td data-label={t.secrets.kind}>{t.secrets.kinds[props.secret.kind]}</td>
      <td data-label={t.secrets.origins}>
        <For each={props.secret.origins}>{origin => <span class="way">{origin}</span>}</For>
      </td>
      <td data-label={t.secrets.room}>
        {props.secret.room ?? t.secrets.allRooms}
        <Show when={gone()}>
          <span class="why">{t.secrets.roomGone}</span>
        </Show>
      </td>
      <td data-label={t.secrets.madeAt}>
        {moment(props.secret.made_at * 1000)}
        <span class="acts">{t.secrets.by(props.secret.made_by)}</span>
      </td>
      <td data-label={t.secrets.usedAt}>
        <Show when={props.secret.used_at} fallback={<span class="none">{t.secrets.never}</span>}>
          {used => moment(used() * 1000)}
        </Show>
      </td>
      <td class="row-actions">
        <AnswerButton
          aria-label={`${t.secrets.replace}: ${props.secret.name}`}
          aria-expanded={open() === "replace"}
          onClick={() => setOpen(open() === "replace" ? null : "replace")}
        >
          {t.secrets.replace}
        </AnswerButton>
        <AnswerButton
          aria-label={`${t.secrets.remove}: ${props.secret.name}`}
          onClick={() => setOpen("remove")}
        >
          {t.secrets.remove}
        </AnswerButton>
      </td>
    </Entry>
  );
}

/** A new secret, or other contents of one that there is. */
function SecretForm(
  props: Tools & {
    names?: readonly string[];
    replaces?: SecretView;
    onKept: (name: string) => void;
    onClose: () => void;
  },
) {
  // As it was when the form opened: a list that comes anew does not undo what is being written.
  const before = props.replaces;
  const [kind, setKind] = createSignal<SecretKind>(before?.kind ?? "password");
  const doing = createDoing();
  let value: HTMLInputElement | undefined;
  onCleanup(() => {
    if (value) value.value = "";
  });
  const rooms = () => {
    const ids = props.overview.rooms.map(room => room.id);
    const own = before?.room;
    return own && !ids.includes(own) ? [...ids, own] : ids;
  };
  const keep = async (form: FormData) => {
    const name = before?.name ?? written(form, "name") ?? "";
    const body = {
      kind: kind(),
      origins: entriesOf(written(form, "origins") ?? ""),
      room: written(form, "room"),
      // Spaces around it belong to it.
      value: String(form.get("value") ?? ""),
    };
    const kept = await doing.run(async () => {
      if (!before && props.names?.includes(name)) throw new Error(t.secrets.taken(name));
      await ask<SecretView>("PUT", at(name), body);
    });
    if (kept) props.onKept(name);
  };
  return (
    <Sheet
      label={before ? t.secrets.replaceTitle(before.name) : t.secrets.make}
      doing={doing}
      submit={t.secrets.save}
      onSubmit={form => void keep(form)}
      onClose={props.onClose}
    >
      <Show when={before}>
        {secret => (
          <>
            <h3>{t.secrets.replaceTitle(secret().name)}</h3>
            <p class="hint">{t.secrets.replaceHint}</p>
          </>
        )}
      </Show>
      <div class="fields">
        <Show when={!before}>
          <Field label={t.secrets.name} hint={t.secrets.nameHint}>
            {id => (
              <input
                id={id}
                name="name"
                required
                maxlength="64"
                pattern="[a-z0-9][a-z0-9_.\-]*"
                autocomplete="off"
                autocapitalize="none"
                spellcheck={false}
              />
            )}
          </Field>
        </Show>
        <Field label={t.secrets.kind} hint={t.secrets.kindHints[kind()]}>
          {id => (
            <select id={id} onChange={event => setKind(event.currentTarget.value as SecretKind)}>
              <For each={KINDS}>
                {one => (
                  <option value={one} selected={one === kind()}>
                    {t.secrets.kinds[one]}
                  </option>
                )}
              </For>
            </select>
          )}
        </Field>
        <Field label={t.secrets.room}>
          {id => (
            <select id={id} name="room">
              <option value="">{t.secrets.allRooms}</option>
              <For each={rooms()}>
                {room => (
                  <option value={room} selected={room === before?.room}>
                    {room}
                  </option>
                )}
              </For>
            </select>
          )}
        </Field>
        <Field label={t.secrets.value} hint={t.secrets.valueHints[kind()]}>
          {id => (
            <input
              id={id}
              ref={value}
              name="value"
              type="password"
              required
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
            />
          )}
        </Field>
        <Field class="wide" label={t.secrets.origins} hint={t.secrets.originsHint}>
          {id => (
            <textarea
              id={id}
              name="origins"
              rows="3"
              required
              placeholder="https://shop.example"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              value={before?.origins.join("\n") ?? ""}
            />
          )}
        </Field>
      </div>
    </Sheet>
  );
}
