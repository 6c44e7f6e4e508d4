/**
 * The conversation with the room's agent inside an embedded room: the panel of
 * our own page in a tree of its own, with its styles. The element fetches this
 * script when its panel is first shown; it is the only part with a framework.
 * What somebody writes stays in this memory: the browser's storage is the
 * page's around it.
 */
import { createSignal } from "solid-js";
import { render } from "solid-js/web";
import type { TandemRoom } from "../../../element/src/room-element.ts";
import { sheet } from "../../../element/src/tokens.ts";
import type { Chat, ChatEvents } from "../../../embed/src/chat.ts";
import acting from "../acting.css?inline";
import { follow } from "../follow.ts";
import { createHelping } from "../helping.ts";
import panelStyle from "../panel/panel.css?inline";
import Panels from "../panel/panels.tsx";
import { rememberNothing } from "../remembered.ts";
import style from "../style.css?inline";

const HOST = `:host { display: flex; flex-direction: column; min-height: 0; color: var(--_text);
  font: 13px / 1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
  :host([hidden]) { display: none; } .panel-close { display: none; }`;

let sheets: CSSStyleSheet[] | undefined;

/** Puts the conversation into `host`, an element of the room's own tree. */
export function talk(host: HTMLElement, room: TandemRoom, events: ChatEvents): Chat {
  rememberNothing();
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  sheets ??= [style, acting, panelStyle, HOST].map(sheet);
  root.adoptedStyleSheets = sheets;
  const [shown, setShown] = createSignal(true);
  const dispose = render(() => {
    const seen = follow(room);
    const helping = createHelping(room, seen, () => {});
    return (
      <Panels
        room={room}
        seen={seen}
        helping={helping}
        shown={shown()}
        onClose={events.close}
        onRecord={null}
        onPicking={null}
        onAsking={events.asking}
        ref={() => {}}
      />
    );
  }, root);
  return {
    show: setShown,
    end: () => {
      dispose();
      root.replaceChildren();
    },
  };
}
