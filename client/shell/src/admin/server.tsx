/** The server itself: readiness, version, the records' state, the way to the doctor. */
import { createSignal, For } from "solid-js";
import { exportPath } from "../../../core/src/record.ts";
import { below } from "../../../dom/src/socket.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, room as at, base } from "./api.ts";
import type { Tools } from "./app.tsx";
import { moment } from "./format.ts";
import { Section } from "./list.tsx";
import { createDoing } from "./parts.tsx";
import { t } from "./texts/index.ts";

interface Verified {
  ok: boolean;
  lines: number;
  broken?: { seq: number; why: string };
}

export function Server(props: Tools) {
  return (
    <Section name="server">
      <dl class="details">
        <div>
          <dt>{t.server.version}</dt>
          <dd>{props.overview.version}</dd>
        </div>
        <div>
          <dt>{t.server.since}</dt>
          <dd>{moment(props.overview.started)}</dd>
        </div>
        <div>
          <dt>{t.server.address}</dt>
          <dd>{props.overview.address}</dd>
        </div>
      </dl>
      <h3>{t.server.checks}</h3>
      <ul class="checks">
        <For each={props.overview.checks}>
          {check => (
            <li data-ok={check.ok}>
              <b>{t.server.names[check.check] ?? check.check}</b>
              <span>{check.why ?? t.server.well}</span>
            </li>
          )}
        </For>
      </ul>
      <p>
        <a class="link" href={below(base, "doctor").href}>
          {t.server.doctor}
        </a>{" "}
        {t.server.doctorHint}
      </p>
      <h3>{t.server.records}</h3>
      <p class="hint">{t.server.recordsHint}</p>
      <ul class="checks">
        <For each={props.overview.rooms.map(room => room.id)}>{id => <RecordOf room={id} />}</For>
      </ul>
    </Section>
  );
}

function RecordOf(props: { room: string }) {
  const doing = createDoing();
  const [found, setFound] = createSignal<Verified | null>(null);
  const check = () =>
    doing.run(async () => {
      setFound(null);
      setFound(await ask<Verified>("GET", at(props.room, "/audit/verify")));
    });
  const said = () => {
    if (doing.busy()) return t.server.checking;
    const verified = found();
    if (!verified) return doing.fault();
    return verified.broken
      ? t.server.broken(verified.broken.seq, verified.broken.why)
      : t.server.whole(verified.lines);
  };
  return (
    <li data-record={props.room} data-ok={found()?.ok}>
      <b>{props.room}</b>
      <span role="status">{said()}</span>
      <span class="row-actions">
        <AnswerButton aria-label={`${t.server.check}: ${props.room}`} onClick={() => void check()}>
          {t.server.check}
        </AnswerButton>
        <a
          class="link"
          href={below(base, exportPath(props.room)).href}
          download={`${props.room}.jsonl`}
          aria-label={t.server.download(props.room)}
        >
          JSONL
        </a>
      </span>
    </li>
  );
}
