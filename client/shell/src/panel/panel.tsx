/** One project's part of the panel: one session and what can be done with it, or the list of all. */
import {
  createEffect,
  createMemo,
  createSignal,
  For,
  Match,
  mapArray,
  on,
  onCleanup,
  Show,
  Switch,
} from "solid-js";
import { rootsOf, works } from "../../../core/src/sessions.ts";
import type { FileChange, Permission, Question } from "../../../core/src/sessions-model.ts";
import { titleOf } from "../../../core/src/transcript.ts";
import type { TandemRoom } from "../../../element/src/index.ts";
import { activeIn } from "../active.ts";
import { AnswerButton, ToolButton } from "../buttons.tsx";
import { type Command, offerCommands } from "../commands.ts";
import type { Seen } from "../follow.ts";
import type { Helping } from "../helping.ts";
import { PermissionAsk, type Verdict } from "./asks.tsx";
import { ChangedFiles } from "./changed-files.tsx";
import { Composer, type ComposerHandle } from "./composer.tsx";
import { createCopilot } from "./copilot.ts";
import { Icon } from "./icon.tsx";
import type { MessageActions } from "./message.tsx";
import { Banner, HelpAsks, Intro, Plan, Used } from "./parts.tsx";
import { createAnswering, QuestionAsk, QuestionCard } from "./questions.tsx";
import { SessionList } from "./session-list.tsx";
import { SessionMenu } from "./session-menu.tsx";
import { Transcript } from "./transcript.tsx";

export interface PanelHandle {
  focus: () => void;
  /** To what is asked here; from there: yes, once. False when nothing is. */
  toAsk: () => boolean;
  open: (session: string, project: string) => void;
}

export interface PanelProps {
  room: TandemRoom;
  project: string;
  seen: Seen;
  helping: Helping;
  shown: boolean;
  onClose: () => void;
  /** Shows a line of the room's record. */
  onRecord: ((seq: number) => void) | null;
  ref: (handle: PanelHandle | null) => void;
  /** An element of the page is to be picked: on a phone the picture has to come back for it. */
  onPicking: ((picking: boolean) => void) | null;
  /** Which session's questions are asked here, so that no card has to. */
  onAsking: (root: string | null) => void;
}

type View = "talk" | "list" | "files";

export function Panel(props: PanelProps) {
  const room = props.room;
  const copilot = createCopilot(room, props.project, () => props.shown);
  const [view, setView] = createSignal<View>("talk");
  const [files, setFiles] = createSignal<readonly FileChange[] | null>(null);
  const [renaming, setRenaming] = createSignal(false);
  let composer: ComposerHandle | null = null;
  const focus = () => composer?.focus();
  let asks: HTMLDivElement | undefined;
  const toAsk = () => {
    const form = props.shown ? asks?.querySelector("form, section") : null;
    if (!form) return false;
    const [main] = form.querySelectorAll<HTMLButtonElement>(".answer.main");
    if (form.contains(activeIn(form))) main?.click();
    else form.querySelector<HTMLElement>(".option input, .answer")?.focus();
    return true;
  };
  props.ref({ focus, toAsk, open: copilot.open });
  onCleanup(() => props.ref(null));

  const agent = () => copilot.state().agent;
  const session = copilot.session;
  const title = () => {
    const one = session();
    if (one) return titleOf(one);
    return copilot.current() === null ? "New session" : "A session";
  };
  const parent = () => {
    const id = session()?.parent;
    return id ? copilot.state().sessions.get(id) : undefined;
  };
  const root = createMemo(() => {
    let at = session();
    for (let up = 0; at?.parent && up < 16; up += 1) {
      const above = copilot.state().sessions.get(at.parent);
      if (!above) break;
      at = above;
    }
    return at?.id ?? null;
  });
  createEffect(() => props.onAsking(props.shown && view() === "talk" ? root() : null));
  onCleanup(() => props.onAsking(null));
  createEffect(
    on(copilot.current, () => {
      setView("talk");
      setRenaming(false);
    }),
  );

  const startNew = () => {
    copilot.open(null);
    setView("talk");
    queueMicrotask(focus);
  };
  const act = {
    fork: async (message?: string) => {
      const id = copilot.current();
      if (id === null) return;
      const made = await copilot.attempt(() => copilot.api.fork(id, message));
      if (!made) return;
      copilot.take({ is: "session", session: made });
      copilot.open(made.id);
    },
    revert: async (message: string) => {
      const id = copilot.current();
      if (id === null) return;
      const changed = await copilot.attempt(() => copilot.api.revert(id, message));
      if (changed) copilot.take({ is: "session", session: changed });
    },
    unrevert: async () => {
      const id = copilot.current();
      if (id === null) return;
      const changed = await copilot.attempt(() => copilot.api.unrevert(id));
      if (changed) copilot.take({ is: "session", session: changed });
    },
    summarise: async () => {
      const id = copilot.current();
      if (id !== null) await copilot.attempt(() => copilot.api.summarise(id));
    },
    remove: async () => {
      const id = copilot.current();
      if (id === null || !(await copilot.attempt(() => copilot.api.remove(id)))) return;
      copilot.take({ is: "update", update: { type: "session_gone", session: id } });
      startNew();
    },
    rename: async (name: string) => {
      const id = copilot.current();
      setRenaming(false);
      if (id === null || name.trim() === "" || name === title()) return;
      const changed = await copilot.attempt(() => copilot.api.rename(id, name.trim()));
      if (changed) copilot.take({ is: "session", session: changed });
    },
    files: async () => {
      const id = copilot.current();
      if (id === null) return;
      setFiles(null);
      setView("files");
      setFiles((await copilot.attempt(() => copilot.api.diff(id))) ?? []);
    },
    stop: () => {
      const id = copilot.current();
      if (id !== null) void copilot.attempt(() => copilot.api.abort(id));
    },
  };
  const undoLast = () => {
    const messages = copilot.transcript()?.messages ?? [];
    const until = session()?.reverted?.message;
    const before = messages.findLast(
      one => one.role === "user" && (until === undefined || one.id < until),
    );
    if (before) void act.revert(before.id);
  };

  offerCommands((): Command[] => {
    if (!props.shown) return [];
    const can = copilot.can();
    const open = session() !== undefined;
    const of = (when: boolean | undefined, name: string, run: () => void): Command[] =>
      when ? [{ name, group: "Agent", run }] : [];
    return [
      ...of(true, "New session", startNew),
      ...of(true, "All sessions", () => setView("list")),
      ...of(works(session()), "Stop the agent", act.stop),
      ...of(true, "Add a screenshot of the room to the message", () => composer?.screenshot()),
      ...of(true, "Pick an element of the page for the message", () => composer?.pick()),
      ...of(true, "Add a file to the message", () => composer?.attach()),
      ...of(open, "Rename the session", () => setRenaming(true)),
      ...of(open && can?.fork, "Fork the session", () => void act.fork()),
      ...of(open && can?.revert, "Undo the last turn", undoLast),
      ...of(!!session()?.reverted, "Bring back what was undone", () => void act.unrevert()),
      ...of(open && can?.summarise, "Summarise the session", () => void act.summarise()),
      ...of(open && can?.diff, "Show changed files", () => void act.files()),
      ...rootsOf(copilot.state())
        .slice(0, 40)
        .map(
          (one): Command => ({
            name: titleOf(one),
            group: "Sessions",
            run: () => copilot.open(one.id),
          }),
        ),
    ];
  });

  // --- What is asked of a person -------------------------------------------
  const isHere = (one: Permission | Question) =>
    one.root === root() || one.session === session()?.id;
  const permissions = createMemo(
    () => [...copilot.state().permissions.values()].filter(isHere).map(one => one.id),
    [],
    { equals: sameIds },
  );
  // Of all sessions: over the picture they are asked whatever is looked at here.
  const questionIds = createMemo(() => [...copilot.state().questions.keys()], [], {
    equals: sameIds,
  });
  const questions = mapArray(questionIds, id => {
    const first = copilot.state().questions.get(id) as Question;
    const question = createMemo(() => copilot.state().questions.get(id) ?? first, first);
    return createAnswering(question, answers =>
      copilot.attempt(() => copilot.api.answerQuestion(question().session, id, answers)),
    );
  });
  const isInSight = (one: Question) => props.shown && view() === "talk" && isHere(one);
  const answer = (permission: Permission, verdict: Verdict, message: string) => {
    // The same answer as on the card, where there is one: the room's approvals know of it.
    const card = props.seen
      .view()
      ?.approvals.find(
        one =>
          one.answered === null &&
          one.session?.project === props.project &&
          one.session.session === permission.session &&
          one.session.call === permission.call,
      );
    if (card) {
      room.approve(
        card.id,
        verdict === "reject"
          ? message
            ? { answer: "deny", message }
            : { answer: "deny" }
          : { answer: verdict },
      );
      // It leaves when the server has taken it; if it did not, it can be answered again.
      return new Promise(done => setTimeout(done, 3000));
    }
    const given =
      verdict === "reject" && message
        ? ({ answer: "reject", message } as const)
        : { answer: verdict };
    return copilot.attempt(() =>
      copilot.api.answerPermission(permission.session, permission.id, given),
    );
  };
  const fromOf = (id: string) =>
    id === session()?.id ? null : copilot.state().sessions.get(id)?.title || "A subagent";

  const openLink = (url: string) => {
    void room.call("browser_tabs", { action: "new", url }).then(answered => {
      const refused = (answered as { isError?: boolean } | null)?.isError;
      if (refused) setLinkNote("The shared browser did not open it: somebody else has the floor.");
    });
  };
  const [linkNote, setLinkNote] = createSignal("");
  createEffect(
    on(linkNote, words => {
      if (words === "") return;
      const timer = setTimeout(() => setLinkNote(""), 6000);
      onCleanup(() => clearTimeout(timer));
    }),
  );

  /** A subagent's session may be of no list that was read. */
  const openChild = async (child: string) => {
    if (!copilot.state().sessions.has(child)) {
      const found = await copilot.attempt(() => copilot.api.show(child));
      if (!found) return;
      copilot.take({ is: "session", session: found });
    }
    copilot.open(child);
  };
  const actions: MessageActions = {
    onLink: openLink,
    onRecord: props.onRecord,
    onChild: child => void openChild(child),
    childOf: call => (call.child === null ? undefined : copilot.state().sessions.get(call.child)),
    get onFork() {
      return copilot.can()?.fork ? (message: string) => void act.fork(message) : null;
    },
    get onRevert() {
      return copilot.can()?.revert && !works(session())
        ? (message: string) => void act.revert(message)
        : null;
    },
  };

  return (
    <section
      class="panel"
      aria-label="The agent"
      classList={{ "not-shown": !props.shown }}
      onKeyDown={event => {
        if (event.key === "Escape" && view() !== "talk") {
          setView("talk");
          focus();
        }
      }}
    >
      <header class="panel-head">
        <Show
          when={!renaming()}
          fallback={<Rename title={title()} onDone={name => void act.rename(name)} />}
        >
          <Show when={view() === "talk" && parent()}>
            {above => (
              <ToolButton
                label={`Back to ${titleOf(above())}`}
                onClick={() => copilot.open(above().id)}
              >
                <Icon name="back" />
              </ToolButton>
            )}
          </Show>
          <h2>
            <button
              type="button"
              class="title-button"
              aria-expanded={view() === "list"}
              title="All sessions"
              onClick={() => setView(now => (now === "list" ? "talk" : "list"))}
            >
              <bdi class="words">
                {view() === "list" ? "Sessions" : view() === "files" ? "Changed files" : title()}
              </bdi>
              <Icon name="right" />
            </button>
          </h2>
        </Show>
        <span class="gap" />
        <ToolButton label="New session" onClick={startNew}>
          <Icon name="write" />
        </ToolButton>
        <Show when={session()}>
          <SessionMenu
            can={copilot.can()}
            reverted={!!session()?.reverted}
            works={works(session())}
            onRename={() => setRenaming(true)}
            onFork={() => void act.fork()}
            onUndo={undoLast}
            onBring={() => void act.unrevert()}
            onSummarise={() => void act.summarise()}
            onFiles={() => void act.files()}
            onDelete={() => void act.remove()}
          />
        </Show>
        <ToolButton class="tool panel-close" label="Hide the panel" onClick={props.onClose}>
          <Icon name="close" />
        </ToolButton>
      </header>
      <For each={questions()}>
        {answering => (
          <Show when={props.helping.place()}>
            {place => (
              <QuestionCard
                answering={answering}
                from={fromOf(answering.question().session)}
                place={place()}
                folded={isInSight(answering.question())}
              />
            )}
          </Show>
        )}
      </For>
      <Banner copilot={copilot} />
      <Show when={linkNote()}>
        <p class="banner" role="status">
          {linkNote()}
        </p>
      </Show>
      <Switch>
        <Match when={view() === "list"}>
          <SessionList copilot={copilot} onDone={() => setView("talk")} onNew={startNew} />
        </Match>
        <Match when={view() === "files"}>
          <ChangedFiles files={files()} onDone={() => setView("talk")} />
        </Match>
      </Switch>
      <div class="talk" hidden={view() !== "talk"}>
        <Show
          when={
            copilot.current() !== null && agent()?.state !== "failed" ? copilot.current() : null
          }
          keyed
          fallback={<Intro copilot={copilot} />}
        >
          {_ => (
            <Show
              when={copilot.transcript()}
              fallback={
                <p class="empty-note" role="status">
                  {agent()?.state === "starting" ? "The agent is starting." : "Reading the session"}
                </p>
              }
            >
              {held => (
                <Transcript
                  held={held()}
                  until={session()?.reverted?.message ?? null}
                  works={works(session())}
                  actions={actions}
                  onOlder={copilot.older}
                />
              )}
            </Show>
          )}
        </Show>
        <div class="dock">
          <Show when={session()?.reverted}>
            <p class="undone">
              <span>What came after is undone. Your next message leaves it out for good.</span>
              <AnswerButton onClick={() => void act.unrevert()}>Bring it back</AnswerButton>
            </p>
          </Show>
          <Show when={(copilot.transcript()?.todos.length ?? 0) > 0}>
            <Plan todos={copilot.transcript()?.todos ?? []} />
          </Show>
          <div class="asks" aria-live="polite" ref={asks}>
            <For each={permissions()}>
              {id => (
                <Show when={copilot.state().permissions.get(id)}>
                  {permission => (
                    <PermissionAsk
                      permission={permission()}
                      from={fromOf(permission().session)}
                      onAnswer={(verdict, message) => answer(permission(), verdict, message)}
                    />
                  )}
                </Show>
              )}
            </For>
            <For each={questions()}>
              {answering => (
                <Show when={isHere(answering.question())}>
                  <QuestionAsk answering={answering} from={fromOf(answering.question().session)} />
                </Show>
              )}
            </For>
            <HelpAsks seen={props.seen} helping={props.helping} />
          </div>
          <Composer
            copilot={copilot}
            room={room}
            onPicking={props.onPicking}
            ref={handle => {
              composer = handle;
            }}
          />
          <p class="panel-foot small">
            <Used session={session()} />
          </p>
        </div>
      </div>
    </section>
  );
}

const sameIds = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((id, at) => id === b[at]);

function Rename(props: { title: string; onDone: (name: string) => void }) {
  let field: HTMLInputElement | undefined;
  queueMicrotask(() => field?.select());
  return (
    <form
      class="rename"
      onSubmit={event => {
        event.preventDefault();
        props.onDone(field?.value ?? "");
      }}
    >
      <input
        ref={field}
        class="note"
        aria-label="The session's title"
        maxlength={200}
        value={props.title}
        onBlur={() => props.onDone(field?.value ?? "")}
        onKeyDown={event => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          if (field) field.value = props.title;
          props.onDone(props.title);
        }}
      />
    </form>
  );
}
