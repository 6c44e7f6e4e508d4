/** How what lies around the picture of an embedded room looks. */
import { sheet } from "../../element/src/tokens.ts";

const CSS = `
:host { height: auto; aspect-ratio: 16 / 10; min-height: 180px; container-type: inline-size; border-radius: var(--tandem-radius, 6px); }
.room { --_top: 0px; }
.bar:not([hidden]) ~ .room { top: 40px; }
.panel:not([hidden]) ~ .room { right: 232px; }

.bar { position: absolute; inset: 0 0 auto 0; height: 40px; box-sizing: border-box; display: flex; align-items: center; gap: 8px; padding: 0 6px 0 10px; background: var(--_surface); border-bottom: 1px solid var(--_line); white-space: nowrap; }
.faces { display: flex; gap: 4px; margin: 0; padding: 0; list-style: none; flex: none; }
.face { display: grid; place-items: center; width: 22px; height: 22px; border-radius: 50%; background: var(--_actor); color: #fff; font-size: 10px; font-weight: 600; }
.face.agent { border-radius: 6px; }
.face.rest { background: var(--_raised); color: var(--_muted); }
.acts { flex: 1; min-width: 0; display: flex; }
.acts span { overflow: hidden; text-overflow: ellipsis; height: 24px; line-height: 24px; padding: 0 8px; border-radius: 6px; background: var(--_actor, none); color: #fff; font-weight: 600; }
.acts.nobody span { padding: 0; background: none; color: var(--_muted); font-weight: 400; }
.bar button, .bar select { font: inherit; height: 28px; min-height: 0; border-radius: 6px; padding: 0 10px; }
.bar select { max-width: 130px; padding: 0 4px; border: 1px solid transparent; background: none; color: var(--_muted); cursor: pointer; }
.bar select:hover { border-color: var(--_line); }
.bar .main { background: var(--_accent); color: var(--_on-accent); border-color: transparent; font-weight: 600; }
.bar .main:hover { filter: brightness(1.08); }
.bar .main[data-does="hand-back"] { background: var(--_raised); color: var(--_text); border-color: var(--_line); }
.bar .alone { display: flex; align-items: center; gap: 6px; border-color: transparent; background: none; color: var(--_muted); }
.bar .alone[hidden] { display: none; }
.bar .alone:hover { background: var(--_raised); color: var(--_text); }
.bar .alone[aria-pressed="true"] { background: var(--_text); color: var(--_surface); font-weight: 600; }
.bar .panels { display: grid; place-items: center; width: 28px; padding: 0; border-color: transparent; background: none; color: var(--_muted); }
.bar .panels:hover, .bar .panels[aria-pressed="true"] { background: var(--_raised); color: var(--_text); }
.bar svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.bar select:focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; }

.panel { position: absolute; inset: 0 0 0 auto; width: 232px; box-sizing: border-box; padding: 10px 12px; overflow: auto; background: var(--_surface); border-left: 1px solid var(--_line); overscroll-behavior: contain; -webkit-user-select: text; user-select: text; }
.bar:not([hidden]) ~ .panel { top: 40px; }
.panel.talks { display: flex; flex-direction: column; width: min(360px, 46%); padding: 0; overflow: hidden; }
.panel.talks[hidden] { display: none; }
.panel.talks:not([hidden]) ~ .room { right: min(360px, 46%); }
.views { flex: none; display: flex; gap: 2px; margin: 8px 10px; padding: 2px; border-radius: 6px; background: var(--_raised); }
.views[hidden] { display: none; }
.views button { flex: 1; font: inherit; min-height: 0; height: 26px; padding: 0 10px; border: 0; border-radius: 4px; background: none; color: var(--_muted); }
.views button[aria-pressed="true"] { background: var(--_surface); color: var(--_text); box-shadow: 0 1px 2px var(--_shadow); }
.chat { flex: 1; min-height: 0; }
.talks .room-view { flex: 1; min-height: 0; overflow: auto; padding: 2px 12px 10px; }
.panel h2 { margin: 0 0 6px; font-size: 12px; font-weight: 600; color: var(--_muted); }
.panel ul, .panel ol { margin: 0 0 14px; padding: 0; list-style: none; display: grid; gap: 6px; }
.panel .who { display: flex; align-items: center; gap: 8px; min-width: 0; }
.panel .who span:nth-child(2) { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.panel small { color: var(--_muted); font-size: 12px; }
.panel .happened { overflow-wrap: anywhere; padding-left: 8px; border-left: 2px solid var(--_actor, var(--_line)); }
.panel .happened b { font-weight: 600; }
.panel .quiet { margin: 0; color: var(--_muted); }

.cards { position: absolute; left: 10px; bottom: 10px; display: grid; gap: 8px; width: min(320px, calc(100% - 20px)); max-height: calc(100% - 20px); overflow: auto; }
.want { padding: 12px; border-radius: 6px; border-left: 3px solid var(--_actor, var(--_line)); background: var(--_surface); box-shadow: 0 6px 24px var(--_shadow); }
.want summary { font-weight: 600; cursor: pointer; }
.want > :not(summary) { margin-top: 8px; }
.want summary:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
.want p { margin-bottom: 0; overflow-wrap: anywhere; -webkit-user-select: text; user-select: text; }
.want .place { font-weight: 600; }
.want .page { background: var(--_raised); border-radius: 4px; padding: 0 4px; }
.want .rest { color: var(--_muted); font-size: 12px; }
.want .note { width: 100%; box-sizing: border-box; height: 32px; padding: 0 10px; font: inherit; color: inherit; border: 1px solid var(--_muted); border-radius: 6px; background: var(--_surface); }
.want .note::placeholder { color: var(--_muted); opacity: 1; }
.want .note:focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; }
.countdown { position: relative; height: 3px; background: var(--_line); }
.countdown div { height: 100%; background: var(--_actor); transform-origin: left; animation: run-out linear forwards; }
:host(:dir(rtl)) .countdown div { transform-origin: right; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@keyframes run-out { to { transform: scaleX(0); } }
.answers { display: flex; flex-wrap: wrap; gap: 8px; justify-content: flex-end; }
.answers :disabled { opacity: .6; cursor: default; }
.answers .yes { background: var(--_accent); color: var(--_on-accent); border-color: transparent; }

.hint { position: absolute; left: 50%; top: 10px; transform: translateX(-50%); padding: 4px 10px; border-radius: 6px; background: var(--_surface); color: var(--_text); font-size: 12px; box-shadow: 0 2px 10px var(--_shadow); pointer-events: none; visibility: hidden; white-space: nowrap; }
:host(.keyed) .hint { visibility: visible; }
.after { position: absolute; right: 0; bottom: 0; width: 1px; height: 1px; }
.after:focus { outline: none; }
.after:focus-visible ~ .ring { visibility: visible; }
.ring { position: absolute; inset: 0; border: 2px solid var(--_accent); border-radius: inherit; pointer-events: none; visibility: hidden; }

@container (max-width: 560px) {
  .panel:not([hidden]) ~ .room { right: 0; }
  .panel.talks { width: min(360px, 92%); }
  .panel.talks:not([hidden]) ~ .room { right: 0; }
  .panel { z-index: 1; width: min(232px, 80%); box-shadow: 0 6px 24px var(--_shadow); }
  .bar select { display: none; }
  .bar .alone { justify-content: center; gap: 0; padding: 0 6px; }
  .bar .alone span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
}
@container (max-width: 360px) { .faces { display: none; } }
@media (pointer: coarse) {
  :host { min-height: 264px; }
  .bar { height: 48px; }
  .want .note { height: 44px; font-size: 16px; }
  .bar button, .bar select, .views button { height: 44px; min-width: 44px; }
  .bar:not([hidden]) ~ .room { top: 48px; }
  .bar:not([hidden]) ~ .panel { top: 48px; }
}
`;

let made: CSSStyleSheet | undefined;
export const aroundSheet = (): CSSStyleSheet => {
  made ??= sheet(CSS);
  return made;
};
