// The messages between the page and the server. Generated from src/server/wire.rs
// and src/room/view.rs; do not edit. To write it anew:
//   TANDEM_BLESS=1 cargo test --test wire

/** The version of these messages. */
export const PROTOCOL = 1;

/**
 * From a viewer's page.
 */
export type ClientMessage = { "type": "offer", sdp: string, } | { "type": "fit", width: number, height: number, } | { "type": "help", id: number, answer: HelpAnswer, } | { "type": "floor", ask: FloorAsk, } | { "type": "approve", id: string, answer: Answer, } | { "type": "call", id: number, tool: string, arguments?: Record<string, unknown>, } | { "type": "sessions", on: boolean, project?: string, after?: string, } | { "type": "token", token: TokenText, } | { "type": "knock" } | { "type": "ping", t: number, } | { "type": "report", photon_ms: Array<number>, };

/**
 * To a viewer's page.
 */
export type ServerMessage = { "type": "welcome", protocol: number, 
/**
 * Tandem's version.
 */
version: string, you: Presence, 
/**
 * Whether this viewer's input is taken.
 */
may_act: boolean, room: RoomView, ice_servers: Array<IceServer>, 
/**
 * How long the token is still good, in seconds, if it ends.
 */
token_seconds?: number, 
/**
 * To which modes this viewer may change the room, if not to all.
 */
modes?: Array<Mode>, } | { "type": "token", token_seconds?: number, } | { "type": "answer", sdp: string, } | { "type": "view", room: RoomView, } | { "type": "event", event: RoomEvent, } | { "type": "cursor", serial: number, width: number, height: number, hot_x: number, hot_y: number, png: string, } | { "type": "called", id: number, result: unknown, } | { "type": "pong", t: number, } | { "type": "session_update", project: string, id: string, update: unknown, } | { "type": "error", code: WireError, message: string, };

/**
 * A token's text, which is never printed.
 */
export type TokenText = string;

/**
 * Why, for a program. The message beside it is for people.
 */
export type WireError = "malformed" | "forbidden" | "token" | "bad-offer" | "no-codec" | "unavailable" | "refused" | "gone";

/**
 * A STUN or TURN server, as `RTCPeerConnection` takes it.
 */
export type IceServer = { urls: Array<string>, username?: string, credential?: string, };

/**
 * What is.
 */
export type RoomView = { id: string, size: Size, phase: Phase, 
/**
 * Everybody present, each person and agent once, in order of arrival.
 */
present: Array<Presence>, 
/**
 * Who acts now; nothing when nobody does.
 */
holder: Presence | null, floor: FloorView, 
/**
 * A person is alone with the page: agents see and do nothing until it is over.
 */
private: PrivateView | null, 
/**
 * Names of agents that wait for a person to be still.
 */
waiting: Array<string>, 
/**
 * What agents ask of people, oldest first.
 */
help: Array<HelpRequest>, 
/**
 * What waits for a person's yes or no, oldest first.
 */
approvals: Array<ApprovalView>, 
/**
 * The tab in front, if the browser runs.
 */
page: PageView | null, };

/**
 * Where a room is in its life.
 */
export type Phase = { "state": "starting" } | { "state": "live" } | { "state": "sleeping" } | { "state": "stopped" } | { "state": "restarting", reason: string, } | { "state": "failed", reason: string, } | { "state": "stopping" };

/**
 * Somebody in the room.
 */
export type Presence = { id: string, name: string, kind: ActorKind, role: Role, 
/**
 * As `#rrggbb`, if one was chosen for them; else one that follows from the id.
 */
colour?: string, };

/**
 * Who may act.
 */
export type FloorView = { mode: Mode, 
/**
 * The person who has the floor for themselves until they hand back.
 */
takeover: Presence | null, 
/**
 * Whose turn it is, in the mode `turns`.
 */
turn: Presence | null, 
/**
 * Who asks for the floor, the next one first.
 */
requests: Array<Presence>, 
/**
 * How often people have handed back so far.
 */
hand_backs: number, };

/**
 * A private moment.
 */
export type PrivateView = { 
/**
 * Whose it is.
 */
by: Presence, 
/**
 * By itself, since the focus is in a field of secrets; else by hand.
 */
by_field: boolean, 
/**
 * The lowest role that sees the picture meanwhile; all below it see none.
 */
from: Role, 
/**
 * It is over as soon as what was typed is covered.
 */
ending: boolean, };

/**
 * What somebody does about the floor.
 */
export type FloorAsk = { "kind": "takeover" } | { "kind": "hand-back", note: string, } | { "kind": "request" } | { "kind": "withdraw" } | { "kind": "give", to: string, } | { "kind": "mode", mode: Mode, } | { "kind": "private", on: boolean, };

/**
 * Who may act in a room.
 */
export type Mode = "together" | "turns" | "watch" | "hands-off";

/**
 * An open approval as approvers see it.
 */
export type ApprovalView = { id: string, 
/**
 * Among those that wait, from 1; nothing once it is answered.
 */
position: number | null, 
/**
 * How many wait.
 */
of: number, actor: string, name: string, role: Role, tool: string, classes: string[], places: string[], targets: { role: string, name: string }[], arguments: unknown, texts: Array<string>, 
/**
 * Some of the arguments or texts are longer than what is shown.
 */
shortened: boolean, why: string | null, 
/**
 * The rule that asks; nothing if it is the default.
 */
rule: RuleRef | null, 
/**
 * When it ends unless it is answered, or unless the yes is used: milliseconds since 1970.
 */
expires_at: number, 
/**
 * Whether "always for this origin" can be answered.
 */
can_be_always: boolean, 
/**
 * What the answer `always` would allow and how long that lasts; nothing
 * if it cannot be answered so.
 */
always: string | null, 
/**
 * The conversation that it belongs to; nothing if it belongs to none.
 */
session: SessionCall | null, 
/**
 * Whether there is a picture to be fetched.
 */
picture: boolean, 
/**
 * Once it is answered with yes and not yet used.
 */
answered: Answered | null, };

/**
 * A call within a person's conversation with an agent, by the agent's names.
 */
export type SessionCall = { 
/**
 * Who asks; a subagent has a session of its own.
 */
session: string, 
/**
 * The session that people opened: the same, or an ancestor.
 */
root: string, call: string | null, project: string, };

/**
 * A person's answer.
 */
export type Answer = { "answer": "once" } | { "answer": "always-for-origin" } | { "answer": "always" } | { "answer": "deny", message?: string | null, };

/**
 * Who answered what.
 */
export type Answered = { by: string, name: string, role: Role, answer: Answer, };

/**
 * Which rule, as it is named in a decision.
 */
export type RuleRef = { scope: Scope, name: string, 
/**
 * Its line in the document that it was read from.
 */
line: number, note?: string | null, };

/**
 * Whose rules: the server's or one room's.
 */
export type Scope = "server" | "room";

/**
 * An agent asks a person to do something.
 */
export type HelpRequest = { id: number, agent: Presence, 
/**
 * The agent's words.
 */
reason: string, 
/**
 * What the person is asked for.
 */
task: HelpTask, 
/**
 * Who has taken it up.
 */
helper: Presence | null, };

/**
 * What a person is asked for.
 */
export type HelpTask = "act" | "annotate";

/**
 * What a person says to a request for help.
 */
export type HelpAnswer = { "kind": "accept" } | { "kind": "done", note: string, 
/**
 * What was drawn, for a request to annotate.
 */
marks?: Array<Mark>, } | { "kind": "decline", note: string, };

/**
 * One mark that a person drew, in pixels of the display.
 */
export type Mark = { shape: MarkShape, 
/**
 * Two opposite corners of a box, or the points of a line.
 */
points: Array<[number, number]>, 
/**
 * What the person says of it.
 */
text: string, };

export type MarkShape = "box" | "line";

/**
 * The tab in front.
 */
export type PageView = { title: string, url: string, };

/**
 * What happened. Losing one harms nothing: what must not be lost is in the view.
 */
export type RoomEvent = { "kind": "pointer", actor: string, x: number, y: number, ms: number, } | { "kind": "press", actor: string, x: number, y: number, } | { "kind": "doing", actor: string, text: string, } | { "kind": "clipboard", text: string, } | { "kind": "settled", id: string, 
/**
 * Who asked.
 */
actor: string, how: Settled, };

/**
 * What became of a question for a yes.
 */
export type Settled = { "is": "answered", answered: Answered, } | { "is": "expired" } | { "is": "stale" } | { "is": "withdrawn" } | { "is": "closed", reason: string, };

/**
 * A display's size in pixels. Both sides are even, which 4:2:0 video needs.
 */
export type Size = { width: number, height: number, };

/**
 * What a token lets its holder do.
 */
export type Role = "admin" | "controller" | "viewer" | "agent";

/**
 * People and agents look different and have different rights of way.
 */
export type ActorKind = "person" | "agent";

/**
 * What lies at a place of the picture.
 */
export type Picked = { role: string, 
/**
 * Its accessible name, of at most 200 characters.
 */
name: string, 
/**
 * Finds it and nothing else, as Playwright's code from the page on.
 */
locator: string, 
/**
 * What it shows, of at most 1000 characters.
 */
text: string, 
/**
 * How its HTML begins, of at most 2000 characters, without secrets.
 */
html: string, 
/**
 * Where it is in the picture, in the room's pixels.
 */
box: PickedBox, 
/**
 * The page's address and title.
 */
url: string, title: string, 
/**
 * The address of the frame that it is in; null for the page itself.
 */
frame: string | null, };

/**
 * A place in the room's pixels; parts of it may be out of sight.
 */
export type PickedBox = { x: number, y: number, width: number, height: number, };
