/** A room to be made, with all that it can have of its own. */
import { createSignal, For } from "solid-js";
import type { Profile } from "../../../core/src/admin-model.ts";
import type { Mode } from "../../../core/src/protocol.ts";
import { ask } from "./api.ts";
import { createDoing, Field } from "./parts.tsx";
import { Sheet, written } from "./sheet.tsx";
import { t } from "./texts/index.ts";

const MODES: readonly Mode[] = ["together", "turns", "watch", "hands-off"];
const PROFILES: readonly Profile[] = ["keep", "discard"];
const SECONDS = 60;

export function NewRoom(props: { onMade: (id: string) => void; onClose: () => void }) {
  const doing = createDoing();
  const [more, setMore] = createSignal(false);
  const make = async (form: FormData) => {
    const id = written(form, "id") ?? "";
    if (await doing.run(() => ask<void>("POST", "api/rooms", wanted(id, form)))) props.onMade(id);
  };
  return (
    <Sheet
      label={t.make.title}
      doing={doing}
      submit={t.make.make}
      onSubmit={form => void make(form)}
      onClose={props.onClose}
    >
      <div class="fields">
        <Field label={t.make.name} hint={t.make.nameHint}>
          {id => (
            <input
              id={id}
              name="id"
              required
              maxlength="32"
              pattern="[a-z0-9][a-z0-9\-]*"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
            />
          )}
        </Field>
        <Field label={`${t.make.startPage} (${t.optional})`}>
          {id => (
            <input id={id} name="start_url" type="url" placeholder="https://" autocomplete="off" />
          )}
        </Field>
        <Field label={t.make.width}>
          {id => <input id={id} name="width" type="number" min="320" max="3840" value="1280" />}
        </Field>
        <Field label={t.make.height}>
          {id => <input id={id} name="height" type="number" min="200" max="2160" value="720" />}
        </Field>
        <Field label={t.make.mode}>
          {id => (
            <select id={id} name="mode">
              <option value="">{t.rooms.serversOwn}</option>
              <For each={MODES}>{mode => <option value={mode}>{t.modes[mode]}</option>}</For>
            </select>
          )}
        </Field>
        <Field label={t.make.profile}>
          {id => (
            <select id={id} name="profile">
              <For each={PROFILES}>
                {profile => <option value={profile}>{t.rooms.profiles[profile]}</option>}
              </For>
            </select>
          )}
        </Field>
      </div>
      <details open={more()} onToggle={event => setMore(event.currentTarget.open)}>
        <summary>{t.make.more}</summary>
        <div class="fields">
          <Field label={t.make.sleep} hint={t.make.sleepHint}>
            {id => <input id={id} name="sleep" type="number" min="0" />}
          </Field>
          <Field label={t.make.memory}>
            {id => <input id={id} name="memory_mb" type="number" min="256" />}
          </Field>
          <Field label={t.make.weight}>
            {id => <input id={id} name="cpu_weight" type="number" min="1" max="10000" />}
          </Field>
          <Field label={t.make.processes}>
            {id => <input id={id} name="processes" type="number" min="200" />}
          </Field>
          <Field label={t.make.proxy}>
            {id => (
              <input id={id} name="proxy" placeholder="http://proxy:3128" autocomplete="off" />
            )}
          </Field>
          <Field label={t.make.locale}>
            {id => <input id={id} name="locale" placeholder="de" autocomplete="off" />}
          </Field>
          <Field label={t.make.zone}>
            {id => (
              <input id={id} name="time_zone" placeholder="Europe/Berlin" autocomplete="off" />
            )}
          </Field>
        </div>
      </details>
    </Sheet>
  );
}

/** The body of the call: what is left out counts as the server says. */
function wanted(id: string, form: FormData) {
  const text = (name: string) => written(form, name);
  const number = (name: string) => {
    const given = text(name);
    return given === undefined ? undefined : Number(given);
  };
  const minutes = number("sleep");
  return {
    id,
    size: { width: number("width") ?? 1280, height: number("height") ?? 720 },
    start_url: text("start_url"),
    mode: text("mode"),
    options: {
      profile: text("profile"),
      sleep_s: minutes === undefined ? undefined : minutes * SECONDS,
      limits: {
        memory_mb: number("memory_mb"),
        cpu_weight: number("cpu_weight"),
        processes: number("processes"),
      },
      proxy: text("proxy"),
      locale: text("locale"),
      time_zone: text("time_zone"),
    },
  };
}
