/** Everybody who is in a room now, and the way out for them. */
import { createMemo, createSignal, For, Show } from "solid-js";
import type { Line, Person } from "../../../core/src/admin-model.ts";
import { initialsOf, paintOf } from "../../../core/src/people.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, room as at } from "./api.ts";
import type { Tools } from "./app.tsx";
import { lasting, percent } from "./format.ts";
import { Below, Entry, List, Section } from "./list.tsx";
import { createDoing, Question } from "./parts.tsx";
import { t } from "./texts/index.ts";

/** Tokens that live in the server's memory are not revoked one by one. */
const OF_THE_RUN = /^(admin|agent)([.:]|$)/;

export function People(props: Tools) {
  // A room's line stays the same object, so its people's rows stay too.
  const all = createMemo(() =>
    props.overview.rooms.flatMap(room => room.people.map(person => ({ room: room.id, person }))),
  );
  const keys = createMemo(() => all().map(({ room, person }) => `${room} ${person.id}`), [], {
    equals: (one, other) => one.join("\n") === other.join("\n"),
  });
  const found = (key: string) => all().find(one => `${one.room} ${one.person.id}` === key);
  return (
    <Section name="people">
      <List
        name="people"
        columns={[
          t.people.name,
          t.people.role,
          t.people.room,
          t.people.since,
          t.people.way,
          t.people.actions,
        ]}
        each={keys()}
        empty={t.people.none}
      >
        {key => (
          <Show when={found(key)}>
            {one => <PersonRow {...props} room={one().room} person={one().person} />}
          </Show>
        )}
      </List>
    </Section>
  );
}

function PersonRow(props: Tools & { room: string; person: Person }) {
  const [asked, setAsked] = createSignal(false);
  const [revoke, setRevoke] = createSignal(true);
  const doing = createDoing();
  const ofTheRun = () => OF_THE_RUN.test(props.person.id);
  const putOut = async () => {
    const { name, id } = props.person;
    const done = await doing.run(() =>
      ask<void>("POST", at(props.room, "/put-out"), {
        actor: id,
        revoke: revoke() && !ofTheRun(),
      }),
    );
    if (done) {
      setAsked(false);
      props.say(t.people.done(name));
    }
    await props.again();
  };
  const since = () =>
    props.person.since > 0 ? lasting(props.overview.now - props.person.since) : "";
  return (
    <Entry
      data-person={props.person.name}
      below={
        <Below when={asked()}>
          <Question
            question={t.people.putOutQuestion(props.person.name, props.room)}
            what={t.people.putOutWhat}
            yes={t.people.putOut}
            no={t.people.stay}
            doing={doing}
            onNo={() => setAsked(false)}
            onYes={() => void putOut()}
          >
            <Show when={!ofTheRun()} fallback={<p>{t.people.runToken}</p>}>
              <label class="check">
                <input
                  type="checkbox"
                  checked={revoke()}
                  onChange={event => setRevoke(event.currentTarget.checked)}
                />
                {t.people.revoke}
              </label>
            </Show>
          </Question>
        </Below>
      }
    >
      <td class="who">
        <span
          class="avatar"
          classList={{ agent: props.person.kind === "agent" }}
          style={{ "--_actor": paintOf(props.person) }}
          aria-hidden="true"
        >
          {initialsOf(props.person.name)}
        </span>
        <span class="who-name">
          {props.person.name}
          <span class="page">{props.person.id}</span>
        </span>
      </td>
      <td data-label={t.people.role}>{t.roles[props.person.role]}</td>
      <td data-label={t.people.room}>{props.room}</td>
      <td data-label={t.people.since}>{since()}</td>
      <td data-label={t.people.way}>
        <For each={props.person.lines} fallback={<span class="none">{t.people.ways.none}</span>}>
          {line => <span class="way">{wayWords(line)}</span>}
        </For>
      </td>
      <td class="row-actions">
        <AnswerButton
          aria-label={`${t.people.putOut}: ${props.person.name}`}
          onClick={() => setAsked(true)}
        >
          {t.people.putOut}
        </AnswerButton>
      </td>
    </Entry>
  );
}

/** "UDP, 12 ms, 1 % lost". */
function wayWords(line: Line): string {
  const way = line.relayed
    ? t.people.ways.relay
    : line.over_tcp
      ? t.people.ways.tcp
      : t.people.ways.udp;
  const rtt = line.rtt_ms === null ? "" : `, ${Math.max(1, Math.round(line.rtt_ms))} ms`;
  const loss = line.loss >= 0.005 ? `, ${t.people.lost(percent(line.loss))}` : "";
  return `${way}${rtt}${loss}`;
}
