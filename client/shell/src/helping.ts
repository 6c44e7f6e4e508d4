/**
 * What agents ask of people, and how far somebody is with it: the same state
 * behind the cards over the picture and those beside the conversation.
 */
import { type Accessor, createSignal } from "solid-js";
import type { HelpRequest } from "../../core/src/index.ts";
import type { TandemRoom } from "../../element/src/index.ts";
import type { Seen } from "./follow.ts";

export interface Helping {
  ids: Accessor<number[]>;
  one: (id: number) => HelpRequest | undefined;
  isMine: (help: HelpRequest) => boolean;
  title: (help: HelpRequest) => string;
  /** A word to the agent, as far as it is written. */
  note: (id: number) => string;
  setNote: (id: number, words: string) => void;
  accept: (help: HelpRequest) => void;
  finish: (help: HelpRequest, kind: "done" | "decline") => void;
  /** The request for which somebody draws on the picture. */
  drawing: Accessor<number | null>;
  draw: (id: number | null) => void;
  /** Where the cards over the picture are, for others of their kind. */
  place: Accessor<HTMLElement | null>;
  setPlace: (element: HTMLElement) => void;
}

export const isMarkup = (help: HelpRequest): boolean => help.task === "annotate";

/** `toPicture` brings the picture into sight, where something else has its place. */
export function createHelping(room: TandemRoom, seen: Seen, toPicture: () => void): Helping {
  const [notes, setNotes] = createSignal<ReadonlyMap<number, string>>(new Map());
  const [drawing, setDrawing] = createSignal<number | null>(null);
  const [place, setPlace] = createSignal<HTMLElement | null>(null);
  const open = () => (seen.joined() ? (seen.view()?.help ?? []) : []);
  const isMine = (help: HelpRequest) => help.helper !== null && help.helper.id === seen.you()?.id;
  const note = (id: number) => notes().get(id) ?? "";
  return {
    ids: () => open().map(help => help.id),
    one: id => open().find(help => help.id === id),
    isMine,
    title: help => {
      const { agent, helper } = help;
      if (isMine(help)) return `You are helping ${agent.name}`;
      if (helper) return `${helper.name} is helping ${agent.name}`;
      return isMarkup(help)
        ? `${agent.name} asks you to mark up the page`
        : `${agent.name} asks for help`;
    },
    note,
    setNote: (id, words) => setNotes(all => new Map(all).set(id, words)),
    accept: help => {
      room.answerHelp(help.id, { kind: "accept" });
      toPicture();
      if (!isMarkup(help)) room.focus();
    },
    finish: (help, kind) => room.answerHelp(help.id, { kind, note: note(help.id) }),
    drawing,
    draw: id => {
      if (id !== null) toPicture();
      setDrawing(id);
    },
    place,
    setPlace,
  };
}
