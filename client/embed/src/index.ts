/** The npm package: importing it defines <tandem-room>. */
import { define } from "./define.ts";

export type {
  AgentFact,
  ApprovalFact,
  EmbedAnswer,
  EmbedError,
  EmbedEvents,
  EmbedMethods,
  EmbedState,
  FloorFact,
  FromFrame,
  HelpFact,
  Mode,
  Presence,
  RoomView,
  Size,
  Somebody,
  ToFrame,
} from "../../core/src/index.ts";
export { EMBED_PROTOCOL } from "../../core/src/index.ts";
export type { TandemRoomEventMap } from "../../element/src/room-element.ts";
export { type FrameOptions, frameAddress, TandemFrame } from "./frame.ts";
export { OPTION_NAMES, type OptionName, type Options } from "./options.ts";
export { EmbedFailure, TandemEmbed, type TandemEmbedEventMap } from "./room.ts";

define();
