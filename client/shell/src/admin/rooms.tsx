/** All rooms: how they are, who is in them, what they take, and what to do with them. */
import { createMemo, createSignal, For, Show } from "solid-js";
import type { RoomLine } from "../../../core/src/admin-model.ts";
import { exportPath } from "../../../core/src/record.ts";
import { below } from "../../../dom/src/socket.ts";
import { AnswerButton } from "../buttons.tsx";
import { Icon } from "../icons.tsx";
import { Menu } from "../menu.tsx";
import { ask, room as at, base, words } from "./api.ts";
import type { Tools } from "./app.tsx";
import { bytes, count, lasting, percent } from "./format.ts";
import { Below, Entry, List, Section } from "./list.tsx";
import { NewRoom } from "./new-room.tsx";
import { copyText, createDoing, Question } from "./parts.tsx";
import { ReachEditor } from "./reach.tsx";
import { t } from "./texts/index.ts";

type Asked = "remove" | "sleep" | "stop";
type Act = "sleep" | "wake" | "stop" | "start" | "remove";

const SAID: Readonly<Record<Act, keyof typeof t.rooms.done>> = {
  sleep: "asleep",
  wake: "woken",
  stop: "stopped",
  start: "started",
  remove: "removed",
};

export function Rooms(props: Tools) {
  const [making, setMaking] = createSignal(false);
  return (
    <Section
      name="rooms"
      head={
        <>
          <span class="gap" />
          <AnswerButton main aria-expanded={making()} onClick={() => setMaking(shown => !shown)}>
            {t.rooms.make}
          </AnswerButton>
        </>
      }
    >
      <Show when={making()}>
        <NewRoom
          onMade={id => {
            setMaking(false);
            props.say(t.rooms.done.made(id));
            void props.again();
          }}
          onClose={() => setMaking(false)}
        />
      </Show>
      <List
        name="rooms"
        columns={[
          t.rooms.name,
          t.rooms.state,
          t.rooms.here,
          t.rooms.memory,
          t.rooms.cpu,
          t.rooms.processes,
          t.rooms.actions,
        ]}
        each={props.overview.rooms}
        empty={t.rooms.none}
      >
        {line => <RoomRow line={line} {...props} />}
      </List>
    </Section>
  );
}

function RoomRow(props: Tools & { line: RoomLine }) {
  const [asked, setAsked] = createSignal<Asked | null>(null);
  const [details, setDetails] = createSignal(false);
  const doing = createDoing();
  const phase = () => props.line.phase.state;
  const people = () => props.line.people.filter(who => who.kind === "person").length;
  const agents = () => props.line.people.length - people();
  const here = createMemo(() =>
    [people() > 0 ? t.rooms.people(people()) : "", agents() > 0 ? t.rooms.agents(agents()) : ""]
      .filter(Boolean)
      .join(", "),
  );
  const since = () => {
    const { since } = props.line;
    return since === null ? "" : lasting(props.overview.now - since);
  };
  const why = () => {
    const phase = props.line.phase;
    return "reason" in phase ? phase.reason : "";
  };
  const waits = () => props.line.approvals + props.line.help;

  const run = async (act: Act, body?: unknown) => {
    const { id } = props.line;
    const done = await doing.run(async () => {
      if (act === "remove") await ask("DELETE", at(id));
      else await ask("POST", at(id, `/${act}`), body);
    });
    if (done) {
      setAsked(null);
      props.say(t.rooms.done[SAID[act]](id));
    } else if (asked() === null) props.say(doing.fault(), true);
    await props.again();
  };
  const sleep = () => {
    if (props.line.people.length > 0) setAsked("sleep");
    else void run("sleep", {});
  };
  const main = () => {
    switch (phase()) {
      case "sleeping":
        return { words: t.rooms.wake, act: () => void run("wake") };
      case "stopped":
        return { words: t.rooms.start, act: () => void run("start") };
      case "live":
      case "starting":
      case "restarting":
      case "failed":
        return { words: t.rooms.sleep, act: sleep };
      case "stopping":
        return null;
    }
  };
  return (
    <Entry
      data-room={props.line.id}
      data-phase={phase()}
      below={
        <>
          <Below when={details()}>
            <Details line={props.line} />
            <ReachEditor room={props.line.id} say={props.say} />
          </Below>
          <Show when={asked()} keyed>
            {what => (
              <Below when>
                <Question
                  {...questionOf(what, props.line.id, here())}
                  doing={doing}
                  onNo={() => setAsked(null)}
                  onYes={() => void run(what, what === "sleep" ? { anyway: true } : undefined)}
                />
              </Below>
            )}
          </Show>
        </>
      }
    >
      <td class="name">
        <button
          type="button"
          class="room-name"
          aria-expanded={details()}
          onClick={() => setDetails(shown => !shown)}
        >
          {props.line.id}
        </button>
        <span class="page" title={props.line.page?.url}>
          {props.line.page?.title || props.line.page?.url}
        </span>
      </td>
      <td data-label={t.rooms.state}>
        <span class="state">
          {t.rooms.phases[phase()]} <span class="since">{since()}</span>
        </span>
        <Show when={why()}>
          <span class="why">{words(why())}</span>
        </Show>
      </td>
      <td data-label={t.rooms.here}>
        <Show when={here()} fallback={<span class="none">{t.rooms.nobody}</span>}>
          {here()}
        </Show>
        <Show when={props.line.holder}>
          {name => <span class="acts">{t.rooms.acts(name())}</span>}
        </Show>
        <Show when={waits() > 0}>
          <span class="waits-words">{t.rooms.waiting(waits())}</span>
        </Show>
      </td>
      <td
        class="number"
        classList={{ nothing: props.line.takes === null }}
        data-label={t.rooms.memory}
      >
        {props.line.takes ? bytes(props.line.takes.memory_bytes) : "–"}
      </td>
      <td
        class="number"
        classList={{ nothing: props.line.takes === null }}
        data-label={t.rooms.cpu}
      >
        {props.line.takes ? percent(props.line.takes.cpu) : "–"}
      </td>
      <td
        class="number"
        classList={{ nothing: props.line.takes === null }}
        data-label={t.rooms.processes}
      >
        {props.line.takes ? count(props.line.takes.processes) : "–"}
      </td>
      <td class="row-actions">
        <a
          class="answer"
          href={below(base, `rooms/${props.line.id}`).href}
          aria-label={t.rooms.openRoom(props.line.id)}
        >
          {t.rooms.open}
        </a>
        <Show when={main()}>
          {act => (
            <AnswerButton
              disabled={doing.busy()}
              aria-label={`${act().words}: ${props.line.id}`}
              onClick={() => act().act()}
            >
              {act().words}
            </AnswerButton>
          )}
        </Show>
        <Menu
          id={`menu-${props.line.id}`}
          label={t.rooms.more(props.line.id)}
          icon={<Icon name="more" />}
        >
          {close => (
            <Things
              line={props.line}
              onDetails={() => setDetails(shown => !shown)}
              onGo={props.go}
              onCopied={() => props.say(t.copied)}
              onStop={phase() === "stopped" ? null : () => setAsked("stop")}
              onRemove={props.line.removable ? () => setAsked("remove") : null}
              close={close}
            />
          )}
        </Menu>
      </td>
    </Entry>
  );
}

function questionOf(what: Asked, room: string, here: string) {
  const words = t.rooms;
  switch (what) {
    case "remove":
      return {
        question: words.removeQuestion(room),
        what: words.removeWhat,
        yes: words.removeYes,
        no: words.keep,
      };
    case "sleep":
      return {
        question: words.sleepQuestion(room, here),
        what: words.sleepWhat,
        yes: words.sleepYes,
        no: words.leaveAwake,
      };
    case "stop":
      return {
        question: words.stopQuestion(room),
        what: words.stopWhat,
        yes: words.stopYes,
        no: words.leaveAwake,
      };
  }
}

function Things(props: {
  line: RoomLine;
  onDetails: () => void;
  onGo: Tools["go"];
  onCopied: () => void;
  onStop: (() => void) | null;
  onRemove: (() => void) | null;
  close: () => void;
}) {
  const then = (act: () => void) => () => {
    props.close();
    act();
  };
  return (
    <div class="tools">
      <button type="button" class="tool" onClick={then(props.onDetails)}>
        {t.rooms.details}
      </button>
      <button
        type="button"
        class="tool"
        onClick={then(() => void copyText(props.line.address).then(props.onCopied))}
      >
        {t.rooms.copyAddress}
      </button>
      <button type="button" class="tool" onClick={then(() => props.onGo("tokens", props.line.id))}>
        {t.rooms.tokens}
      </button>
      <button type="button" class="tool" onClick={then(() => props.onGo("rules", props.line.id))}>
        {t.rooms.rules}
      </button>
      <a
        class="tool"
        href={below(base, exportPath(props.line.id)).href}
        download={`${props.line.id}.jsonl`}
        onClick={() => props.close()}
      >
        {t.rooms.timelineFile}
      </a>
      <Show when={props.onStop}>
        {stop => (
          <button type="button" class="tool" onClick={then(stop())}>
            {t.rooms.stop}
          </button>
        )}
      </Show>
      <Show when={props.onRemove}>
        {remove => (
          <button type="button" class="tool danger" onClick={then(remove())}>
            {t.rooms.remove}
          </button>
        )}
      </Show>
    </div>
  );
}

/** What it was made from. What it does not say the server's settings do. */
function Details(props: { line: RoomLine }) {
  const rows = createMemo((): (readonly [string, string])[] => {
    const { line } = props;
    const words = t.rooms;
    const options = line.made?.options;
    const sleeps =
      options?.sleep_s === undefined
        ? words.serversOwn
        : options.sleep_s === 0
          ? words.never
          : words.minutes(Math.max(1, Math.round(options.sleep_s / 60)));
    const limits = options?.limits ?? {};
    const limit = [
      limits.memory_mb === undefined ? "" : `${t.make.memory}: ${count(limits.memory_mb)}`,
      limits.cpu_weight === undefined ? "" : `${t.make.weight}: ${count(limits.cpu_weight)}`,
      limits.processes === undefined ? "" : `${t.make.processes}: ${count(limits.processes)}`,
    ].filter(Boolean);
    return [
      [words.address, line.address],
      [words.size, `${line.size.width} × ${line.size.height}`],
      [words.mode, t.modes[line.mode]],
      [words.startPage, line.made?.start_url ?? words.serversOwn],
      [words.profile, words.profiles[options?.profile ?? "keep"]],
      [words.sleepsAfter, sleeps],
      [words.limits, limit.length > 0 ? limit.join("; ") : words.serversOwn],
      [words.proxy, options?.proxy ?? "–"],
      [words.locale, options?.locale ?? words.serversOwn],
      [words.zone, options?.time_zone ?? words.serversOwn],
    ];
  });
  return (
    <dl class="details">
      <For each={rows()}>
        {([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        )}
      </For>
    </dl>
  );
}
