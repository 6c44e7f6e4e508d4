/**
 * Every sentence that an embedded room says, as one shape. A language is a
 * value of it: what is missing in one fails the type check.
 */
import type { Mode } from "../protocol.ts";
import type { Refusal } from "../session.ts";

/** The words for a tool: used on something, and by itself. */
export type ToolWords = Readonly<Record<string, string>>;

export interface Texts {
  /** As `lang` says it. */
  language: string;
  notice: {
    idle: string;
    refused: Readonly<Record<Refusal, string>>;
    opening: string;
    restart: string;
    media: string;
    upgrade: string;
    lost: string;
    starting: string;
    sleeping: string;
    stopped: string;
    returning: string;
    failed: string;
    closing: string;
    picture: string;
    /** To whom the picture is hidden. */
    private(name: string): string;
    connect: string;
    wake: string;
    reload: string;
  };
  floor: {
    modes: Readonly<Record<Mode, { name: string; line: string }>>;
    youPrivate: string;
    isPrivate(name: string): string;
    youTookOver: string;
    tookOver(name: string): string;
    nobodysTurn: string;
    yourTurn: string;
    turnOf(name: string): string;
    youAct: string;
    acts(name: string): string;
    onlyWatching: string;
    asked: string;
    waitForHandBack: string;
    onlyLooking: string;
    itIsTurnOf(name: string): string;
  };
  approval: {
    onTarget: ToolWords;
    alone: ToolWords;
    byClass: ToolWords;
    goTo: string;
    goElsewhere: string;
    read: string;
    something: string;
    doSomething: string;
    of(role: string): string;
    prepositions: ToolWords;
    on: string;
    and: string;
    dragTo: string;
    quote(text: string): string;
  };
  bar: {
    label: string;
    nobody: string;
    watching: string;
    takeOver: string;
    handBack: string;
    mode: string;
    private: string;
    beginPrivate: string;
    endPrivate: string;
    showPanel: string;
    hidePanel: string;
    people: string;
    more(many: number): string;
    you(name: string): string;
    leaveHint: string;
    picture: string;
  };
  cards: {
    label: string;
    wants(name: string): string;
    yes: string;
    always: string;
    no: string;
    asksHelp(name: string): string;
    helping(name: string): string;
    otherHelps(name: string, agent: string): string;
    accept: string;
    decline: string;
    done: string;
    cannot: string;
    note(name: string): string;
    until(time: string): string;
    more(many: number): string;
  };
  panel: {
    label: string;
    views: string;
    talk: string;
    look: string;
    here: string;
    happens: string;
    quiet: string;
    person: string;
    agent: string;
    close: string;
    joined(name: string): string;
    left(name: string): string;
    went(host: string): string;
  };
  error: {
    paste: string;
    offer: string;
    answer: string;
    message: string;
  };
}
