/** The rules of the server and of each room: read, changed, tried. */
import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import type { Explanation, Near } from "../../../core/src/admin-model.ts";
import type { RuleRef } from "../../../core/src/protocol.ts";
import { AnswerButton } from "../buttons.tsx";
import { ask, askText, room as at, words } from "./api.ts";
import type { Tools } from "./app.tsx";
import { Section } from "./list.tsx";
import { createDoing, Field, RoomOptions } from "./parts.tsx";
import { Sheet, written } from "./sheet.tsx";
import { t } from "./texts/index.ts";

/** A complaint of the server's parser about one place. */
interface Complaint {
  line: number;
  column: number;
  why: string;
}

/** The parser writes one complaint a line; what is not one stands below them. */
function complaintsOf(text: string): { at: Complaint[]; rest: string[] } {
  const found = { at: [] as Complaint[], rest: [] as string[] };
  for (const line of text.split("\n")) {
    const [, row, column, why] = /^line (\d+), column (\d+): (.*)$/i.exec(line) ?? [];
    if (row && column && why) {
      found.at.push({ line: Number(row), column: Number(column), why });
    } else if (line.trim()) found.rest.push(line);
  }
  return found;
}

export function Rules(props: Tools) {
  const [text, setText] = createSignal("");
  const [kept, setKept] = createSignal<string | null>(null);
  const [broken, setBroken] = createSignal("");
  const doing = createDoing();
  const path = () => (props.room ? at(props.room, "/rules") : "api/rules");
  const changed = () => kept() !== null && text() !== kept();
  let area: HTMLTextAreaElement | undefined;
  let gutter: HTMLDivElement | undefined;

  createEffect(
    on(path, async path => {
      setKept(null);
      setBroken("");
      try {
        const found = await askText(path);
        // Another one may be asked for by now.
        if (path !== (props.room ? at(props.room, "/rules") : "api/rules")) return;
        setKept(found);
        setText(found);
      } catch (error) {
        setBroken(words(error));
      }
    }),
  );
  const choose = (select: HTMLSelectElement) => {
    if (changed() && !confirm(t.rules.leaves)) {
      select.value = props.room;
      return;
    }
    props.go("rules", select.value);
  };
  const save = async () => {
    const written = text();
    setBroken("");
    const done = await doing.run(async () => {
      await ask("PUT", path(), written);
    });
    if (!done) {
      setBroken(doing.fault());
      return;
    }
    // As the server prints it.
    const found = await askText(path()).catch(() => written);
    setKept(found);
    setText(found);
    props.say(t.rules.saved);
  };
  const complaints = createMemo(() => complaintsOf(broken()));
  const lines = createMemo(() => text().split("\n").length);
  const wrong = createMemo(() => new Set(complaints().at.map(one => one.line)));
  const toLine = ({ line, column }: Complaint) => {
    if (!area) return;
    const before = text()
      .split("\n")
      .slice(0, line - 1);
    const from = before.reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
    area.focus();
    area.setSelectionRange(from, from);
    const height = Number.parseFloat(getComputedStyle(area).lineHeight) || 18;
    area.scrollTop = Math.max(0, (line - 4) * height);
  };
  const keys = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      void save();
    }
  };
  return (
    <Section
      name="rules"
      head={
        <>
          <select aria-label={t.rules.of} onChange={event => choose(event.currentTarget)}>
            <option value="">{t.rules.server}</option>
            <RoomOptions {...props} words={t.rules.ofRoom} />
          </select>
          <span class="hint">{props.room ? "" : t.rules.serverHint}</span>
        </>
      }
    >
      <div class="editor" aria-busy={kept() === null && !broken()}>
        <div class="gutter" aria-hidden="true" ref={gutter}>
          <For each={Array.from({ length: lines() }, (_, at) => at + 1)}>
            {line => <span classList={{ wrong: wrong().has(line) }}>{line}</span>}
          </For>
        </div>
        <textarea
          ref={area}
          aria-label={t.rules.document}
          aria-invalid={broken() !== ""}
          aria-describedby="rules-wrong"
          spellcheck={false}
          autocapitalize="none"
          autocomplete="off"
          wrap="off"
          rows="16"
          value={text()}
          disabled={kept() === null}
          onInput={event => setText(event.currentTarget.value)}
          onKeyDown={keys}
          onScroll={event => {
            if (gutter) gutter.scrollTop = event.currentTarget.scrollTop;
          }}
        />
      </div>
      <div id="rules-wrong" role="alert">
        <Show when={broken()}>
          <div class="fault">
            <p>{complaints().at.length > 0 ? t.rules.wrong : complaints().rest.join(" ")}</p>
            <ul class="complaints">
              <For each={complaints().at}>
                {one => (
                  <li>
                    <button type="button" class="link" onClick={() => toLine(one)}>
                      {t.rules.line(one.line, one.column)}
                    </button>
                    : {one.why}
                  </li>
                )}
              </For>
            </ul>
          </div>
        </Show>
      </div>
      <div class="sheet-answers">
        <span class="hint" role="status">
          {changed() ? t.rules.unsaved : ""}
        </span>
        <AnswerButton
          disabled={!changed()}
          onClick={() => {
            setText(kept() ?? "");
            setBroken("");
          }}
        >
          {t.rules.back}
        </AnswerButton>
        <AnswerButton main disabled={!changed() || doing.busy()} onClick={() => void save()}>
          {t.rules.save}
        </AnswerButton>
      </div>
      <Trial {...props} />
    </Section>
  );
}

const CLASSES = [
  "navigate",
  "input",
  "read",
  "download",
  "upload",
  "evaluate",
  "storage",
  "submit",
  "credentials",
  "settings",
  "execute",
  "write",
] as const;

/** The tools that are met most, with what they do. */
const TOOLS: Readonly<Record<string, readonly (typeof CLASSES)[number][]>> = {
  browser_navigate: ["navigate"],
  browser_click: ["input"],
  browser_type: ["input"],
  browser_fill_form: ["input"],
  browser_snapshot: ["read"],
  browser_evaluate: ["evaluate"],
  browser_file_upload: ["upload"],
  bash: ["execute"],
};

function Trial(props: Tools) {
  const doing = createDoing();
  const [told, setTold] = createSignal<Explanation | null>(null);
  const [tool, setTool] = createSignal("browser_navigate");
  const [classes, setClasses] = createSignal<ReadonlySet<string>>(new Set(["navigate"]));
  const choose = (name: string) => {
    setTool(name);
    const known = TOOLS[name];
    if (known) setClasses(new Set<string>(known));
  };
  const turn = (name: string, to: boolean) => {
    const next = new Set(classes());
    if (to) next.add(name);
    else next.delete(name);
    setClasses(next);
  };
  const test = async (form: FormData) => {
    const text = (name: string) => written(form, name) ?? "";
    const target = text("target");
    const typed = text("texts");
    const action = {
      tool: tool().trim(),
      classes: CLASSES.filter(name => classes().has(name)),
      places: text("places").split(/\s+/).filter(Boolean),
      targets: target ? [{ role: "", name: target }] : [],
      texts: typed ? [typed] : [],
    };
    setTold(null);
    await doing.run(async () => {
      setTold(await ask<Explanation>("POST", at(text("room") || "main", "/rules/test"), action));
    });
  };
  return (
    <Sheet
      label={t.rules.testTitle}
      class="trial"
      doing={doing}
      submit={t.rules.test}
      onSubmit={form => void test(form)}
      outcome={
        <div role="status">
          <Show when={told()}>{told => <Outcome told={told()} />}</Show>
        </div>
      }
    >
      <h3>{t.rules.testTitle}</h3>
      <p class="hint">{t.rules.testHint}</p>
      <div class="fields">
        <Field label={t.rules.testRoom}>
          {id => (
            <select id={id} name="room">
              <RoomOptions {...props} />
            </select>
          )}
        </Field>
        <Field label={t.rules.tool}>
          {id => (
            <>
              <input
                id={id}
                list="trial-tools"
                required
                autocomplete="off"
                autocapitalize="none"
                spellcheck={false}
                value={tool()}
                onInput={event => choose(event.currentTarget.value)}
              />
              <datalist id="trial-tools">
                <For each={Object.keys(TOOLS)}>{name => <option value={name} />}</For>
              </datalist>
            </>
          )}
        </Field>
        <Field label={t.rules.places}>
          {id => (
            <input
              id={id}
              name="places"
              placeholder="https://shop.example"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
            />
          )}
        </Field>
        <Field label={`${t.rules.target} (${t.optional})`}>
          {id => <input id={id} name="target" autocomplete="off" />}
        </Field>
        <Field label={`${t.rules.texts} (${t.optional})`}>
          {id => <input id={id} name="texts" autocomplete="off" />}
        </Field>
      </div>
      <fieldset class="classes">
        <legend>{t.rules.classes}</legend>
        <For each={CLASSES}>
          {name => (
            <label class="check">
              <input
                type="checkbox"
                checked={classes().has(name)}
                onChange={event => turn(name, event.currentTarget.checked)}
              />
              {name}
            </label>
          )}
        </For>
      </fieldset>
    </Sheet>
  );
}

const named = (rule: RuleRef): string => `${rule.scope}/${rule.name}`;

function Outcome(props: { told: Explanation }) {
  const by = () => {
    const { by } = props.told.decision;
    return typeof by === "object" ? by.rule : null;
  };
  const near = () => props.told.rules.filter((one: Near) => one.why.length > 0);
  return (
    <div class="outcome" data-effect={props.told.decision.effect}>
      <p class="question-title">{t.rules.effects[props.told.decision.effect]}</p>
      <p>
        <Show when={by()} fallback={t.rules.byDefault}>
          {rule => (
            <>
              {t.rules.byRule(named(rule()))} {rule().note}
            </>
          )}
        </Show>
      </p>
      <Show when={near().length > 0}>
        <p class="near-title">{t.rules.near}</p>
        <ul class="near">
          <For each={near()}>
            {one => (
              <li>
                <b>{named(one.rule)}</b> {t.rules.effects[one.effect]}: {one.why.join("; ")}
              </li>
            )}
          </For>
        </ul>
      </Show>
    </div>
  );
}
