/**
 * Every sentence of the page of whoever administers the server, as one shape.
 * A language is a value of it: what is missing in one fails the type check.
 * What the server itself says, such as why rules are refused, is in English.
 */
import type { Effect } from "../../../../core/src/admin-model.ts";
import type { Mode, Phase, Role } from "../../../../core/src/protocol.ts";

export interface Texts {
  /** As `lang` says it. */
  language: string;
  title: string;
  sections: Readonly<Record<Section, string>>;
  sectionsLabel: string;
  loading: string;
  lost: string;
  cancel: string;
  close: string;
  copy: string;
  copied: string;
  optional: string;
  door: {
    title: string;
    /** Somebody came with another token. */
    guest: string;
    how: string;
    token: string;
    open: string;
    toRoom: string;
  };
  load: {
    label: string;
    cpu: string;
    memory: string;
    pictures: string;
    sent: string;
    ofProcessors(many: number): string;
    ofMemory(all: string): string;
    encoders(share: string): string;
    connections(many: number): string;
    perSecond(many: string): string;
    lastMinutes(name: string): string;
  };
  rooms: {
    none: string;
    make: string;
    name: string;
    state: string;
    here: string;
    memory: string;
    cpu: string;
    processes: string;
    actions: string;
    phases: Readonly<Record<Phase["state"], string>>;
    people(many: number): string;
    agents(many: number): string;
    nobody: string;
    acts(name: string): string;
    waiting(many: number): string;
    open: string;
    openRoom(room: string): string;
    sleep: string;
    wake: string;
    stop: string;
    start: string;
    more(room: string): string;
    copyAddress: string;
    details: string;
    tokens: string;
    rules: string;
    timelineFile: string;
    remove: string;
    removeQuestion(room: string): string;
    removeWhat: string;
    removeYes: string;
    keep: string;
    sleepQuestion(room: string, here: string): string;
    sleepWhat: string;
    sleepYes: string;
    stopQuestion(room: string): string;
    stopWhat: string;
    stopYes: string;
    leaveAwake: string;
    size: string;
    mode: string;
    startPage: string;
    profile: string;
    profiles: { keep: string; discard: string };
    sleepsAfter: string;
    never: string;
    minutes(many: number): string;
    serversOwn: string;
    limits: string;
    proxy: string;
    locale: string;
    zone: string;
    address: string;
    done: Readonly<
      Record<
        "made" | "woken" | "asleep" | "stopped" | "started" | "removed",
        (room: string) => string
      >
    >;
  };
  make: {
    title: string;
    name: string;
    nameHint: string;
    width: string;
    height: string;
    startPage: string;
    mode: string;
    profile: string;
    sleep: string;
    sleepHint: string;
    memory: string;
    weight: string;
    processes: string;
    proxy: string;
    locale: string;
    zone: string;
    more: string;
    make: string;
  };
  modes: Readonly<Record<Mode, string>>;
  roles: Readonly<Record<Role, string>>;
  people: {
    none: string;
    name: string;
    role: string;
    room: string;
    since: string;
    way: string;
    actions: string;
    ways: { udp: string; tcp: string; relay: string; none: string };
    lost(share: string): string;
    putOut: string;
    putOutQuestion(name: string, room: string): string;
    putOutWhat: string;
    revoke: string;
    runToken: string;
    stay: string;
    done(name: string): string;
  };
  tokens: {
    none: string;
    make: string;
    made: string;
    once: string;
    link: string;
    token: string;
    role: string;
    room: string;
    allRooms: string;
    name: string;
    colour: string;
    ownColour: string;
    lasts: string;
    ends: readonly (readonly [seconds: number, words: string])[];
    noEnd: string;
    origin: string;
    originHint: string;
    single: string;
    createdAt: string;
    endsAt: string;
    state: string;
    actions: string;
    good: string;
    over: string;
    revoked: string;
    used: string;
    showEnded: string;
    revoke: string;
    revokeQuestion(name: string): string;
    revokeWhat: string;
    keep: string;
    done(name: string): string;
    create: string;
  };
  rules: {
    of: string;
    server: string;
    serverHint: string;
    ofRoom(room: string): string;
    document: string;
    save: string;
    saved: string;
    unsaved: string;
    back: string;
    leaves: string;
    wrong: string;
    line(line: number, column: number): string;
    testTitle: string;
    testHint: string;
    testRoom: string;
    tool: string;
    classes: string;
    places: string;
    target: string;
    texts: string;
    test: string;
    effects: Readonly<Record<Effect, string>>;
    byDefault: string;
    byRule(rule: string): string;
    near: string;
    fits: string;
    count(many: number): string;
  };
  server: {
    version: string;
    since: string;
    address: string;
    ready: string;
    notReady: string;
    checks: string;
    names: Readonly<Record<string, string>>;
    well: string;
    doctor: string;
    doctorHint: string;
    records: string;
    recordsHint: string;
    check: string;
    whole(lines: number): string;
    broken(line: number, why: string): string;
    download(room: string): string;
    checking: string;
  };
}

export const SECTIONS = ["rooms", "people", "tokens", "rules", "server"] as const;
export type Section = (typeof SECTIONS)[number];
