/**
 * What an agent wants a yes for, in a person's words. The page's own words
 * and the agent's are kept apart from ours: they are shown as such, as text.
 */
import type { Answered, ApprovalView, RoomView, Settled } from "./protocol.ts";
import { en, type Texts } from "./texts/index.ts";

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

/** A tool in a person's words, without what it is used on; its own name when it has none. */
export function toolWords(tool: string, { approval: words }: Texts = en): string {
  if (tool === "browser_navigate" || tool === "Page.navigate") return words.goTo;
  if (tool === "browser_snapshot") return words.read;
  return words.onTarget[tool] ?? words.alone[tool] ?? tool;
}

/** The gravest first: what a tool that has no words here would do. */
const BY_GRAVITY = [
  "execute",
  "credentials",
  "submit",
  "upload",
  "download",
  "evaluate",
  "storage",
  "write",
  "settings",
  "navigate",
  "input",
  "read",
] as const;

/** The host of an address, as short as it can be and still be told from others. */
export function hostOf(place: string): string {
  const [, host] = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?([^/?#]+)/i.exec(place) ?? [];
  return host ?? place;
}

/** "Click “Pay now” (button) on shop.example", in pieces. */
export function sentenceOf(approval: ApprovalView, texts: Texts = en): Piece[] {
  const { approval: words } = texts;
  const { tool, targets, places } = approval;
  const hosts = [...new Set(places.map(hostOf))];
  if (tool === "browser_navigate" || tool === "Page.navigate") {
    const to = hosts.at(-1);
    return to ? [ours(`${words.goTo} `), { is: "place", text: to }] : [ours(words.goElsewhere)];
  }
  const pieces: Piece[] = [];
  const verb = words.onTarget[tool];
  if (targets.length > 0) {
    pieces.push(ours(`${verb ?? firstWords(approval, words)} `));
    targets.forEach((target, at) => {
      if (at > 0) pieces.push(ours(tool === "browser_drag" ? ` ${words.dragTo} ` : ", "));
      if (target.name) pieces.push(page(target.name));
      if (target.role)
        pieces.push(ours(shownText(target.name ? ` (${target.role})` : words.of(target.role))));
      if (!target.name && !target.role) pieces.push(ours(words.something));
    });
  } else {
    pieces.push(ours(words.alone[tool] ?? firstWords(approval, words)));
  }
  hosts.forEach((host, at) => {
    const first = words.prepositions[approval.classes[0] ?? ""] ?? words.on;
    pieces.push(ours(at === 0 ? ` ${first} ` : ` ${words.and} `), { is: "place", text: host });
  });
  return pieces;
}

function firstWords(approval: ApprovalView, words: Texts["approval"]): string {
  const found = BY_GRAVITY.find(name => approval.classes.includes(name));
  const said = found && words.byClass[found];
  if (said) return approval.targets.length > 0 ? `${said}:` : said;
  return words.doSomething;
}

/** The pieces as one line of text, for who hears it. */
export const sayPieces = (pieces: readonly Piece[], { approval: words }: Texts = en): string =>
  pieces.map(each => (each.is === "page" ? words.quote(each.text) : each.text)).join("");

/** "Rule pay-by-hand of this room asks", and the default as what it is. */
export function ruleWords(approval: ApprovalView): string {
  const { rule } = approval;
  if (!rule && approval.session) return "The agent's own settings ask";
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
    case "always":
      return `${who} said yes, always`;
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
