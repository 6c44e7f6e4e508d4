/**
 * What a room's browser reaches beside the open internet, and what of that is
 * closed to it. The server judges the entries; its reason stands at the list
 * that it is about.
 */
import { createEffect, createSignal, For, on, Show } from "solid-js";
import type { EgressLists, ReachView } from "../../../core/src/admin-model.ts";
import { entriesOf, refusedList } from "../../../core/src/entries.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, room as at, words } from "./api.ts";
import { count, moment } from "./format.ts";
import { createAnswer, createDoing, Fault, Field } from "./parts.tsx";
import { t } from "./texts/index.ts";

/** The latest of what was refused. */
const SHOWN = 8;
const linesOf = (list: readonly string[]) => list.join("\n");

export function ReachEditor(props: { room: string; say: (words: string) => void }) {
  const path = () => at(props.room, "/egress");
  const view = createAnswer<ReachView>(path());
  const doing = createDoing();
  const [allow, setAllow] = createSignal("");
  const [deny, setDeny] = createSignal("");
  let sent: EgressLists = { allow: [], deny: [] };
  const back = () => {
    const kept = view.told();
    setAllow(linesOf(kept?.allow ?? []));
    setDeny(linesOf(kept?.deny ?? []));
    doing.clear();
  };
  createEffect(on(view.told, back));
  const changed = () => {
    const kept = view.told();
    return kept !== null && (allow() !== linesOf(kept.allow) || deny() !== linesOf(kept.deny));
  };
  const faultAt = (place: "allow" | "deny" | null) =>
    refusedList(doing.fault(), sent) === place ? doing.fault() : "";
  const save = async () => {
    const done = await doing.run(async () => {
      sent = { allow: entriesOf(allow()), deny: entriesOf(deny()) };
      view.setTold(await ask<ReachView>("PUT", path(), sent));
    });
    if (done) props.say(t.reach.saved);
  };
  const list = (of: "allow" | "deny", text: () => string, write: (text: string) => void) => (
    <Field label={t.reach[of]} hint={t.reach[`${of}Hint`]} fault={faultAt(of)}>
      {id => (
        <textarea
          id={id}
          rows="4"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          value={text()}
          onInput={event => write(event.currentTarget.value)}
        />
      )}
    </Field>
  );
  return (
    <section class="reach" aria-label={t.reach.of(props.room)}>
      <h3>{t.reach.title}</h3>
      <Fault text={view.fault()} />
      <Show when={view.told()}>
        {told => (
          <>
            <p class="hint">{t.reach.hint}</p>
            <div class="fields">
              {list("allow", allow, setAllow)}
              {list("deny", deny, setDeny)}
            </div>
            <ServersOwn lists={told().server} />
            <Show when={told().held_by === "settings"}>
              <p class="hint">{t.reach.bySettings}</p>
            </Show>
            <Fault text={faultAt(null)} />
            <div class="sheet-answers">
              <span class="hint" role="status">
                {changed() ? t.rules.unsaved : t.reach.open(told().open)}
              </span>
              <AnswerButton disabled={!changed()} onClick={back}>
                {t.rules.back}
              </AnswerButton>
              <AnswerButton main disabled={!changed() || doing.busy()} onClick={() => void save()}>
                {t.rules.save}
              </AnswerButton>
            </div>
            <TurnedAway view={told()} />
          </>
        )}
      </Show>
    </section>
  );
}

/** What counts in all rooms, and is changed where the server is started. */
function ServersOwn(props: { lists: EgressLists }) {
  const said = () =>
    [
      props.lists.allow.length > 0 ? t.reach.serverOpens(props.lists.allow.join(", ")) : "",
      props.lists.deny.length > 0 ? t.reach.serverCloses(props.lists.deny.join(", ")) : "",
    ]
      .filter(Boolean)
      .join(" ");
  return (
    <Show when={said()}>
      <p class="hint servers-own">{said()}</p>
    </Show>
  );
}

function TurnedAway(props: { view: ReachView }) {
  return (
    <Show when={props.view.turned_away.length > 0}>
      <h4>{t.reach.turnedAway}</h4>
      <ul class="turned">
        <For each={props.view.turned_away.slice(0, SHOWN)}>
          {one => (
            <li>
              <b>
                {one.host}:{one.port}
              </b>{" "}
              <span class="since">
                {moment(one.at_ms)}
                {one.times > 1 ? `, ${count(one.times)} ×` : ""}
              </span>
              <span class="acts">{words(one.reason)}</span>
            </li>
          )}
        </For>
      </ul>
    </Show>
  );
}
