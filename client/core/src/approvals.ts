/**
 * What an agent wants a yes for, in a person's words. The page's own words
 * and the agent's are kept apart from ours: they are shown as such, as text.
 */
import type { Answered, ApprovalView, RoomView, Settled } from "./protocol.ts";

/** A piece of a sentence: ours, a word of the page's, or a place. */
export type Piece = { is: "ours" | "page" | "place"; text: string };

const ours = (text: string): Piece => ({ is: "ours", text });
const page = (text: string): Piece => ({ is: "page", text: shownText(text).replaceAll("\n", " ") });

/** Characters that turn, hide or break text: a page could make other words of them. */
const TRICKS = /(?![\n\t\u200d])[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Somebody else's text as it may be shown to who decides on it: what cannot be seen is seen. */
export const shownText = (text: string): string => text.replaceAll(TRICKS, "\ufffd");

/** Those that wait for an answer, the oldest first. */
export function askedOf(room: RoomView | null): ApprovalView[] {
  return (room?.approvals ?? []).filter(each => each.answered === null);
}

/** What a tool does with its target. */
const ON_TARGET: Readonly<Record<string, string>> = {
  browser_click: "Click",
  browser_hover: "Point at",
  browser_type: "Type into",
  browser_fill_form: "Fill in",
  browser_select_option: "Choose in",
  browser_drag: "Drag",
  browser_drop: "Drop files on",
  browser_file_upload: "Upload a file to",
  browser_check: "Tick",
  browser_uncheck: "Untick",
  browser_press_key: "Press a key in",
  browser_evaluate: "Run code on",
};
const WITHOUT_TARGET: Readonly<Record<string, string>> = {
  browser_click: "Click",
  browser_type: "Type",
  browser_press_key: "Press a key",
  browser_press_sequentially: "Type",
  browser_keydown: "Hold a key down",
  browser_keyup: "Let a key go",
  browser_navigate_back: "Go back",
  browser_navigate_forward: "Go forward",
  browser_reload: "Load the page again",
  browser_tabs: "Change tabs",
  browser_close: "Close the page",
  browser_fill_form: "Fill in a form",
  browser_file_upload: "Upload a file",
  browser_handle_dialog: "Answer a dialog of the page",
  browser_evaluate: "Run code",
  browser_run_code_unsafe: "Run code",
  browser_mouse_click_xy: "Click",
  browser_mouse_drag_xy: "Drag",
  browser_take_screenshot: "Take a picture",
};
/** A tool in a person's words, without what it is used on; its own name when it has none. */
export function toolWords(tool: string): string {
  if (tool === "browser_navigate" || tool === "Page.navigate") return "Go to";
  if (tool === "browser_snapshot") return "Read the page";
  return ON_TARGET[tool] ?? WITHOUT_TARGET[tool] ?? tool;
}

/** The gravest first: what a tool that has no words here would do. */
const BY_CLASS: readonly (readonly [string, string])[] = [
  ["execute", "Run a command"],
  ["credentials", "Use a password"],
  ["submit", "Submit a form"],
  ["upload", "Upload a file"],
  ["download", "Download a file"],
  ["evaluate", "Run code"],
  ["storage", "Change stored data"],
  ["write", "Change files"],
  ["settings", "Change the browser's settings"],
  ["navigate", "Go to another page"],
  ["input", "Use mouse or keyboard"],
  ["read", "Read the page"],
];
const PREPOSITION: Readonly<Record<string, string>> = { download: "from", upload: "to" };

/** The host of an address, as short as it can be and still be told from others. */
export function hostOf(place: string): string {
  const [, host] = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?([^/?#]+)/i.exec(place) ?? [];
  return host ?? place;
}

/** "Click “Pay now” (button) on shop.example", in pieces. */
export function sentenceOf(approval: ApprovalView): Piece[] {
  const { tool, targets, places } = approval;
  const hosts = [...new Set(places.map(hostOf))];
  if (tool === "browser_navigate" || tool === "Page.navigate") {
    const to = hosts.at(-1);
    return to ? [ours("Go to "), { is: "place", text: to }] : [ours("Go to another page")];
  }
  const pieces: Piece[] = [];
  const verb = ON_TARGET[tool];
  if (targets.length > 0) {
    pieces.push(ours(`${verb ?? firstWords(approval)} `));
    targets.forEach((target, at) => {
      if (at > 0) pieces.push(ours(tool === "browser_drag" ? " to " : ", "));
      if (target.name) pieces.push(page(target.name));
      if (target.role)
        pieces.push(ours(shownText(target.name ? ` (${target.role})` : `a ${target.role}`)));
      if (!target.name && !target.role) pieces.push(ours("something"));
    });
  } else {
    pieces.push(ours(WITHOUT_TARGET[tool] ?? firstWords(approval)));
  }
  hosts.forEach((host, at) => {
    const first = PREPOSITION[approval.classes[0] ?? ""] ?? "on";
    pieces.push(ours(at === 0 ? ` ${first} ` : " and "), { is: "place", text: host });
  });
  return pieces;
}

function firstWords(approval: ApprovalView): string {
  const found = BY_CLASS.find(([name]) => approval.classes.includes(name));
  if (found) return approval.targets.length > 0 ? `${found[1]}:` : found[1];
  return "Do something";
}

/** The pieces as one line of text, for who hears it. */
export const sayPieces = (pieces: readonly Piece[]): string =>
  pieces.map(each => (each.is === "page" ? `“${each.text}”` : each.text)).join("");

/** "Rule pay-by-hand of this room asks", and the default as what it is. */
export function ruleWords(approval: ApprovalView): string {
  const { rule } = approval;
  if (!rule) return "No rule allows it, so you are asked";
  const whose = rule.scope === "server" ? "of the server" : "of this room";
  return `The rule “${rule.name}” ${whose} asks`;
}

/** "Ada said yes, once". */
export function answeredWords(answered: Answered, you: string | null): string {
  const who = answered.by === you ? "You" : answered.name;
  switch (answered.answer.answer) {
    case "once":
      return `${who} said yes, once`;
    case "always-for-origin":
      return `${who} said yes, always on this site`;
    case "deny":
      return `${who} said no`;
  }
}

/** What became of a question, for those who did not answer it. */
export function settledWords(how: Settled, you: string | null): string {
  switch (how.is) {
    case "answered":
      return answeredWords(how.answered, you);
    case "expired":
      return "Nobody answered in time, so it is a no";
    case "stale":
      return "The page has changed, so that question is over";
    case "withdrawn":
      return "That question was taken back";
    case "closed":
      return `That question was not answered: ${how.reason}`;
  }
}

/** Arguments worth showing beside texts and targets: short, one a line. */
export function argumentsOf(approval: ApprovalView): [string, string][] {
  const { arguments: args } = approval;
  if (typeof args === "string") return [["arguments", shownText(args)]];
  if (typeof args !== "object" || args === null || Array.isArray(args)) return [];
  return Object.entries(args)
    .filter(([name]) => !["element", "target", "ref", "selector"].includes(name))
    .filter(([, value]) => value !== null && value !== "")
    .filter(([, value]) => !approval.texts.includes(String(value)))
    .map(([name, value]) => [
      shownText(name),
      shownText(typeof value === "string" ? value : JSON.stringify(value)),
    ]);
}

/**
 * How much of the time is left, from 1 to 0, for one that was first seen then;
 * `null` when the clocks here and there are too far apart to tell.
 */
export function timeLeft(approval: ApprovalView, firstSeen: number, now: number): number | null {
  const whole = approval.expires_at - firstSeen;
  if (whole <= 0 || whole > 24 * 3600 * 1000) return null;
  return Math.min(1, Math.max(0, (approval.expires_at - now) / whole));
}
