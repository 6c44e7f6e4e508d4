// What the page of whoever administers the server is told. Generated from src/server/admin/model.rs,
// src/room/{rest,presence,port,reach}.rs, src/server/{tokens,secrets}.rs and src/policy/{rules,secret}.rs;
// do not edit. To write it anew:
//   TANDEM_BLESS=1 cargo test --test wire

import type { ActorKind, Mode, PageView, Phase, Role, RuleRef, Size } from "./protocol.ts";

/**
 * The whole server at one moment.
 */
export type Overview = { version: string, 
/**
 * Milliseconds since 1970, by the server's clock.
 */
now: number, 
/**
 * When the server was started.
 */
started: number, 
/**
 * Where browsers find it, without a slash at the end.
 */
address: string, 
/**
 * Whether it can do its work.
 */
ready: boolean, checks: Array<Check>, machine: Machine, 
/**
 * One every two seconds, the last five minutes, the oldest first.
 */
load: Array<Sample>, rooms: Array<RoomLine>, };

/**
 * One thing that was looked at.
 */
export type Check = { check: string, ok: boolean, 
/**
 * What is wrong, and what to do.
 */
why?: string, };

/**
 * What the server runs on.
 */
export type Machine = { processors: number, memory_bytes: number, };

/**
 * How busy everything is at one moment; rates are means since the sample before.
 */
export type Sample = { 
/**
 * Milliseconds since 1970.
 */
at: number, 
/**
 * The share of the machine's processors that is busy, 0 to 1.
 */
cpu: number, 
/**
 * Processors that the server itself keeps busy, its encoders included.
 */
server_cpu: number, 
/**
 * Processors that encoders keep busy.
 */
encoding: number, 
/**
 * The machine's memory that is taken.
 */
memory_bytes: number, 
/**
 * Frames encoded a second.
 */
frames: number, 
/**
 * Sent to viewers, in bits a second.
 */
bits: number, 
/**
 * Connections that carry a picture.
 */
lines: number, };

/**
 * One room.
 */
export type RoomLine = { id: string, 
/**
 * The address that opens it, for those with a token.
 */
address: string, phase: Phase, 
/**
 * Since when it is as it is; unknown while it is busy changing.
 */
since: number | null, size: Size, mode: Mode, page: PageView | null, 
/**
 * Who acts now.
 */
holder: string | null, people: Array<Person>, 
/**
 * Questions for a yes that wait.
 */
approvals: number, 
/**
 * Requests for help that wait.
 */
help: number, 
/**
 * What its programs take; nothing while it sleeps.
 */
takes: Takes | null, 
/**
 * What it was made from; unknown while it is busy changing.
 */
made: RoomSpec | null, 
/**
 * The room `main` is always there.
 */
removable: boolean, };

/**
 * What a room's programs take.
 */
export type Takes = { memory_bytes: number, 
/**
 * Processes and threads.
 */
processes: number, 
/**
 * Processors that they keep busy.
 */
cpu: number, };

/**
 * Somebody in the room, for whoever administers the server.
 */
export type Person = { 
/**
 * When they came, in milliseconds since 1970.
 */
since: number, 
/**
 * Their open pages and players, or an agent's sessions.
 */
seats: number, 
/**
 * How the picture gets to them: one for each page that shows it.
 */
lines: Array<Line>, id: string, name: string, kind: ActorKind, role: Role, 
/**
 * As `#rrggbb`, if one was chosen for them; else one that follows from the id.
 */
colour?: string, };

/**
 * One connection by which somebody gets the picture.
 */
export type Line = { over_tcp: boolean, 
/**
 * By a TURN server of ours.
 */
relayed: boolean, rtt_ms: number | null, 
/**
 * The share of packets lost on the way, 0 to 1.
 */
loss: number, sent_bytes: number, frames: number, };

/**
 * What a room is made from; also what is kept of it over a restart.
 */
export type RoomSpec = { id: string, 
/**
 * 1280x720 when left out.
 */
size: Size, 
/**
 * The page of the first tab; the server's own setting when left out.
 */
start_url?: string, 
/**
 * Who may act at first; the server's own setting when left out.
 */
mode?: Mode, options: RoomOptions, };

/**
 * What a room has of its own; what is left out is the server's setting.
 */
export type RoomOptions = { profile: Profile, 
/**
 * Seconds without a viewer, an agent or an open question after which the
 * room falls asleep; 0 for never.
 */
sleep_s?: number, limits: Limits, 
/**
 * What its browser reaches, beside the server's own lists.
 */
egress: EgressLists, 
/**
 * A proxy through which all that its browser does goes: `http://host:port`, `https://…` or
 * `socks5://…`, with `user:password@` before the host. The credentials are never shown again.
 */
proxy?: string, 
/**
 * Whether the browser's own pages (`chrome:`, `view-source:`, `devtools:`, extensions') are open to
 * people in this room; agents never open them. Without effect where policies are installed.
 */
browser_pages: boolean, 
/**
 * A language tag (BCP 47), such as `de` or `pt-BR`.
 */
locale?: string, 
/**
 * A name of the tz database, such as `Europe/Berlin`.
 */
time_zone?: string, };

/**
 * What becomes of cookies, tabs and everything else that the browser keeps.
 */
export type Profile = "keep" | "discard";

/**
 * What the programs of one room may take together.
 */
export type Limits = { 
/**
 * Memory in MiB, from 256. What takes more is ended by the kernel and started anew.
 */
memory_mb?: number, 
/**
 * The share of the processors when there are not enough of them, 1 to
 * 10000; whoever says nothing has 100.
 */
cpu_weight?: number, 
/**
 * Processes and threads, from 200.
 */
processes?: number, };

/**
 * What people wrote: entries such as `10.0.0.0/8`, `10.0.0.5:8443`, `example.com`, `*.example.com:443`.
 */
export type EgressLists = { 
/**
 * Addresses that are open though they are not of the open internet, and
 * names that `*` in `deny` leaves open.
 */
allow: string[], 
/**
 * What is closed; `*` for everything that `allow` does not name.
 */
deny: string[], };

/**
 * What a room's browser reaches, for people.
 */
export type ReachView = { 
/**
 * The lists of all rooms of this server, by `--egress-allow` and `--egress-deny`.
 */
server: EgressLists, 
/**
 * The proxy behind the gate, without its credentials.
 */
proxy: string | null, 
/**
 * What holds the browser to the gate: `namespace`, a network in which there is nothing else, or
 * `settings`, its own settings alone.
 */
held_by: string, 
/**
 * Connections that are open now.
 */
open: number, 
/**
 * What was refused or not reached, the latest first.
 */
turned_away: Array<Turned>, 
/**
 * Addresses that are open though they are not of the open internet, and
 * names that `*` in `deny` leaves open.
 */
allow: string[], 
/**
 * What is closed; `*` for everything that `allow` does not name.
 */
deny: string[], };

/**
 * A connection that was not made.
 */
export type Turned = { 
/**
 * When it was last tried, in milliseconds since 1970.
 */
at_ms: number, host: string, port: number, 
/**
 * `closed` (an address that is not of the open internet), `denied` (by a
 * list), `own` (the service's), `busy` (too many tunnels) or `failed`.
 */
kind: string, reason: string, times: number, };

/**
 * All secrets, and what keeps them from being used.
 */
export type SecretList = { secrets: Array<SecretView>, 
/**
 * Why none of them can be used now, such as a missing key.
 */
trouble: string | null, };

/**
 * A secret without its value.
 */
export type SecretView = { 
/**
 * What agents write behind `secret:`.
 */
name: string, kind: SecretKind, 
/**
 * Where it may be typed, such as `https://shop.example` or `https://*.shop.example`.
 */
origins: string[], 
/**
 * Only in this room, or in all.
 */
room: string | null, made_at: number, made_by: string, used_at: number | null, };

/**
 * What a secret is, and with it where it fits.
 */
export type SecretKind = "text" | "password" | "totp";

/**
 * A token without its text.
 */
export type TokenView = { id: string, role: Role, room: string | null, name: string, created_at: number, expires_at: number | null, revoked_at: number | null, 
/**
 * Which groups of tools it opens, if it was made with its own.
 */
tools: string[] | null, colour: string | null, 
/**
 * To which modes its holder may change the room, if not to all.
 */
modes: Array<Mode> | null, 
/**
 * The one other site whose pages may bring it.
 */
origin: string | null, single_use: boolean, 
/**
 * A page has come with it, for which alone it is good.
 */
used: boolean, 
/**
 * The first token of the same person, if this one renews another.
 */
person: string | null, };

/**
 * A token with its text, which is shown this once.
 */
export type MadeToken = { token: string, 
/**
 * The address that opens the room with it: for a token with an origin that of the frame.
 */
url: string, id: string, role: Role, room: string | null, name: string, created_at: number, expires_at: number | null, revoked_at: number | null, 
/**
 * Which groups of tools it opens, if it was made with its own.
 */
tools: string[] | null, colour: string | null, 
/**
 * To which modes its holder may change the room, if not to all.
 */
modes: Array<Mode> | null, 
/**
 * The one other site whose pages may bring it.
 */
origin: string | null, single_use: boolean, 
/**
 * A page has come with it, for which alone it is good.
 */
used: boolean, 
/**
 * The first token of the same person, if this one renews another.
 */
person: string | null, };

/**
 * A dry run: the decision and what came close to another one.
 */
export type Explanation = { decision: Decision, 
/**
 * The closest first, 20 at most.
 */
rules: Array<Near>, 
/**
 * How many more came close.
 */
more: number, };

/**
 * What becomes of an action, and why.
 */
export type Decision = { effect: Effect, by: By, 
/**
 * When it asks: every rule that does, eight at most.
 */
asks?: Array<RuleRef>, 
/**
 * How many rules were looked at closely.
 */
considered: number, };

/**
 * What decided.
 */
export type By = { "rule": RuleRef } | "default";

/**
 * A rule that did not decide, or would have.
 */
export type Near = { rule: RuleRef, effect: Effect, 
/**
 * Whether all of it fits the action.
 */
fits: boolean, 
/**
 * What does not fit, or why it did not decide; empty for the one that did.
 */
why: Array<string>, };

/**
 * What becomes of an action. The order is that of precedence, the strongest first.
 */
export type Effect = "deny" | "ask" | "allow";
