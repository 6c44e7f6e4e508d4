/**
 * The panel beside the picture, with a tab for each project that keeps its
 * state. Loaded as a chunk of its own, when it is first shown.
 */

import { createEffect, createSignal, For, onCleanup, Show } from "solid-js";
import type { Project } from "../../../core/src/sessions-model.ts";
import { ApiError, SessionsApi } from "../../../dom/src/sessions-api.ts";
import { roomUrl } from "../../../dom/src/socket.ts";
import { AnswerButton, ToolButton } from "../buttons.tsx";
import { type Command, offerCommands } from "../commands.ts";
import { recall, remember } from "../remembered.ts";
import { FIRST } from "./copilot.ts";
import { Icon } from "./icon.tsx";
import { Panel, type PanelHandle, type PanelProps } from "./panel.tsx";

export type { PanelHandle };

export interface PanelsProps extends Omit<PanelProps, "project" | "onAsking"> {
  /** Which questions are asked here, so that no card has to. */
  onAsking: (asking: { project: string; root: string } | null) => void;
}

export default function Panels(props: PanelsProps) {
  const room = props.room;
  const base = roomUrl({ base: room.src, room: room.room }, "/sessions");
  const api = new SessionsApi(base, null, () => room.authorization());
  const memory = `project.${room.room}`;
  const [projects, setProjects] = createSignal<readonly Project[]>([]);
  const [roots, setRoots] = createSignal<readonly string[]>([]);
  const [current, setCurrent] = createSignal(FIRST);
  // What was looked at once stays, with what was written in it.
  const [opened, setOpened] = createSignal<readonly string[]>([FIRST]);
  const [adding, setAdding] = createSignal(false);
  const [trouble, setTrouble] = createSignal("");
  const handles = new Map<string, PanelHandle>();
  const handle = () => handles.get(current());
  const [asking, setAsking] = createSignal<ReadonlyMap<string, string | null>>(new Map());
  createEffect(() => {
    const root = asking().get(current());
    props.onAsking(root ? { project: current(), root } : null);
  });
  onCleanup(() => props.onAsking(null));

  const open = (project: string) => {
    setOpened(all => (all.includes(project) ? all : [...all, project]));
    setCurrent(project);
    remember(memory, project === FIRST ? null : project);
  };
  props.ref({
    focus: () => handle()?.focus(),
    toAsk: () => handle()?.toAsk() ?? false,
    open: (session, project) => {
      open(project);
      handle()?.open(session, project);
    },
  });
  onCleanup(() => props.ref(null));

  const read = async () => {
    try {
      const found = await api.projects();
      setProjects(found.projects);
      setRoots(found.roots);
      const remembered = recall(memory);
      if (remembered && found.projects.some(one => one.id === remembered)) open(remembered);
    } catch {
      // One project needs no tabs; what else is amiss is told where one writes.
    }
  };
  void read();
  const add = async (dir: string) => {
    try {
      const made = await api.addProject(dir);
      setProjects(all => [...all.filter(one => one.id !== made.id), made]);
      setAdding(false);
      setTrouble("");
      open(made.id);
      queueMicrotask(() => handle()?.focus());
    } catch (error) {
      setTrouble(error instanceof ApiError ? error.message : "It could not be added.");
    }
  };
  const close = async (project: string) => {
    try {
      await api.removeProject(project);
      setProjects(all => all.filter(one => one.id !== project));
      if (current() === project) open(FIRST);
      setOpened(all => all.filter(one => one !== project));
    } catch (error) {
      setTrouble(error instanceof ApiError ? error.message : "It could not be closed.");
    }
  };
  offerCommands((): Command[] => {
    if (!props.shown) return [];
    const others = projects().filter(one => one.id !== current());
    return [
      ...(roots().length > 0
        ? [{ name: "Add a project", group: "Agent", run: () => setAdding(true) } as const]
        : []),
      ...others.map(
        (one): Command => ({
          name: `Project ${one.name}`,
          group: "Agent",
          also: one.dir,
          run: () => open(one.id),
        }),
      ),
    ];
  });
  const step = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const all = projects();
    const at = all.findIndex(one => one.id === current());
    const next = all[(at + by + all.length) % all.length];
    if (!next) return;
    open(next.id);
    const tabs = (event.currentTarget as Element).parentElement;
    tabs?.querySelector<HTMLElement>(`#project-${CSS.escape(next.id)}`)?.focus();
  };
  return (
    <div class="panels" classList={{ "not-shown": !props.shown }}>
      <Show when={projects().length > 1 || roots().length > 0}>
        <div class="tabs">
          <div class="tab-list" role="tablist" aria-label="Projects">
            <For each={projects()}>
              {project => (
                <button
                  type="button"
                  class="tab"
                  role="tab"
                  id={`project-${project.id}`}
                  title={project.dir}
                  aria-selected={project.id === current()}
                  tabIndex={project.id === current() ? 0 : -1}
                  onKeyDown={step}
                  onClick={() => open(project.id)}
                >
                  <bdi class="words">{project.name}</bdi>
                </button>
              )}
            </For>
          </div>
          <Show when={current() !== FIRST}>
            <ToolButton
              label="Close this project"
              title="Close this project; its sessions stay"
              onClick={() => void close(current())}
            >
              <Icon name="close" />
            </ToolButton>
          </Show>
          <span class="gap" />
          <Show when={roots().length > 0}>
            <ToolButton
              aria-expanded={adding()}
              label="Add a project"
              onClick={() => setAdding(shown => !shown)}
            >
              <Icon name="add" />
            </ToolButton>
          </Show>
        </div>
      </Show>
      <Show when={adding()}>
        <AddProject
          roots={roots()}
          trouble={trouble()}
          onAdd={dir => void add(dir)}
          onClose={() => setAdding(false)}
        />
      </Show>
      <For each={opened()}>
        {project => (
          <Panel
            {...props}
            project={project}
            shown={props.shown && current() === project}
            onAsking={root => setAsking(all => new Map(all).set(project, root))}
            ref={made => {
              if (made) handles.set(project, made);
              else handles.delete(project);
            }}
          />
        )}
      </For>
    </div>
  );
}

function AddProject(props: {
  roots: readonly string[];
  trouble: string;
  onAdd: (dir: string) => void;
  onClose: () => void;
}) {
  let field: HTMLInputElement | undefined;
  queueMicrotask(() => field?.focus());
  return (
    <form
      class="add-project"
      onSubmit={event => {
        event.preventDefault();
        const dir = field?.value.trim();
        if (dir) props.onAdd(dir);
      }}
    >
      <input
        ref={field}
        class="note"
        aria-label="The project's folder on the server"
        value={props.roots[0] ? `${props.roots[0].replace(/\/$/, "")}/` : ""}
        autocomplete="off"
        spellcheck={false}
        onKeyDown={event => {
          if (event.key === "Escape") props.onClose();
        }}
      />
      <AnswerButton type="submit" main>
        Add
      </AnswerButton>
      <p class="small" role={props.trouble ? "alert" : undefined}>
        {props.trouble || `A folder below ${props.roots.join(" or ")}.`}
      </p>
    </form>
  );
}
