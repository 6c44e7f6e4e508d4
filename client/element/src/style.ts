/** How <tandem-room> looks; colours come from the table of tokens. */
import { sheet, tokenRules } from "./tokens.ts";

const CSS = `
:host {
  display: block; position: relative; overflow: hidden; contain: strict;
  min-width: 0; min-height: 0; width: 100%; height: 100%;
  background: var(--_backdrop); color: var(--_text);
  font: 13px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums;
  -webkit-user-select: none; user-select: none;
}
:host([hidden]) { display: none; }
[hidden] { display: none !important; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
.room { position: absolute; inset: 0; overflow: hidden; }
.stage { position: absolute; inset: 2px; overflow: hidden; touch-action: none; -webkit-touch-callout: none; }
:host(.aside) .stage { touch-action: auto; }
.picture { position: absolute; left: 0; top: 0; transform-origin: 0 0; background: #000; visibility: hidden; }
.picture.seen { visibility: visible; }
video, canvas.still { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: fill; display: block; pointer-events: none; }
.picture.stale video, .picture.stale canvas { filter: saturate(0.5) brightness(0.75); transition: filter 120ms; }
.frame { position: absolute; left: 0; top: 0; box-sizing: border-box; border: 2px solid var(--_actor, transparent); border-radius: 3px; pointer-events: none; transition: border-color 120ms; visibility: hidden; }
.frame.seen { visibility: visible; }
.picture.blank, .frame.blank { visibility: hidden; }
:host(.keyed) .frame { box-shadow: inset 0 0 0 2px var(--_accent); }
textarea { position: absolute; left: 0; top: 0; width: 1px; height: 1em; padding: 0; border: 0; margin: 0; opacity: 0; resize: none; outline: none; pointer-events: none; font-size: 16px; caret-color: transparent; overflow: hidden; white-space: pre; }

.overlay { position: absolute; inset: 0; overflow: hidden; pointer-events: none; }
.pointer { position: absolute; left: 0; top: 0; transition: transform 0ms cubic-bezier(0.35, 0, 0.2, 1); will-change: transform; }
.pointer > * { transition: opacity 140ms; }
.pointer.faded > * { opacity: 0; }
.arrow svg { position: absolute; left: -1px; top: -1px; width: 16px; height: 20px; fill: var(--_actor); stroke: #fff; stroke-width: 1.5; stroke-linejoin: round; paint-order: stroke; filter: drop-shadow(0 1px 2px rgb(0 0 0 / 0.35)); }
.tag { position: absolute; left: 12px; top: 18px; display: flex; max-width: 260px; border-radius: 6px; overflow: hidden; white-space: nowrap; font-size: 12px; line-height: 20px; background: var(--_actor); color: #fff; box-shadow: 0 1px 4px rgb(0 0 0 / 0.3); }
.leftwards .tag { left: auto; right: 4px; }
.upwards .tag { top: auto; bottom: 6px; }
.name { padding: 0 8px; font-weight: 600; overflow: hidden; text-overflow: ellipsis; flex: none; max-width: 140px; }
.bubble { padding: 0 8px; background: var(--_surface); color: var(--_text); border: 1px solid var(--_actor); border-left: 0; border-radius: 0 6px 6px 0; line-height: 18px; overflow: hidden; text-overflow: ellipsis; min-width: 0; }
.ring { position: absolute; width: 44px; height: 44px; box-sizing: border-box; transform: translate(-50%, -50%); border: 3px solid var(--_actor); border-radius: 50%; box-shadow: 0 0 0 1.5px rgb(255 255 255 / 0.85), inset 0 0 0 1.5px rgb(255 255 255 / 0.85); }

.notice { position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; padding: 16px; background: transparent; pointer-events: none; }
.card { pointer-events: auto; min-width: 0; display: flex; flex-direction: column; align-items: center; gap: 12px; box-sizing: border-box; max-width: 400px; padding: 20px 24px; border-radius: 6px; background: var(--_surface); box-shadow: 0 6px 24px var(--_shadow); text-align: center; text-wrap: balance; }
.line { display: flex; align-items: center; gap: 10px; margin: 0; font-size: 14px; text-align: start; }
.wheel[hidden] + .sentence { text-align: center; }
.detail { margin: 0; color: var(--_muted); font-size: 12px; overflow-wrap: anywhere; -webkit-user-select: text; user-select: text; }
.wheel { width: 16px; height: 16px; flex: none; box-sizing: border-box; border: 2px solid var(--_line); border-top-color: var(--_accent); border-radius: 50%; animation: turn 900ms linear infinite; }
@keyframes turn { to { transform: rotate(1turn); } }
button { font: inherit; min-height: 32px; padding: 0 14px; border: 1px solid var(--_line); border-radius: 6px; background: var(--_raised); color: var(--_text); cursor: pointer; }
button:hover { border-color: var(--_muted); }
button:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
.toast { position: absolute; left: 12px; bottom: 12px; max-width: min(360px, calc(100% - 24px)); box-sizing: border-box; padding: 8px 12px; border-radius: 6px; background: var(--_surface); color: var(--_text); box-shadow: 0 6px 24px var(--_shadow); pointer-events: none; }
@media (pointer: coarse) { button { min-height: 44px; } }
@media (prefers-reduced-motion: reduce) {
  .pointer, .pointer > *, .frame, .picture.stale video, .picture.stale canvas { transition: none !important; }
  .wheel { animation-duration: 3s; }
}
`;

export const elementSheet = (): CSSStyleSheet => sheet(tokenRules(":host") + CSS);
