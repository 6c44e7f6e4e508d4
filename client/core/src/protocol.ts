// The messages of the WebSocket at `/api/rooms/{room}/ws`.

export type Role = "admin" | "controller" | "viewer" | "agent";
export type ActorKind = "person" | "agent";
export type Size = { width: number; height: number };
export type Presence = { id: string; name: string; kind: ActorKind; role: Role };
export type PageView = { title: string; url: string };
export type Phase =
  | { state: "starting" }
  | { state: "live" }
  | { state: "restarting"; reason: string }
  | { state: "failed"; reason: string }
  | { state: "stopping" };
export type RoomView = {
  id: string;
  size: Size;
  phase: Phase;
  present: Array<Presence>;
  holder: Presence | null;
  waiting: Array<string>;
  page: PageView | null;
};
export type RoomEvent =
  | { kind: "pointer"; actor: string; x: number; y: number; ms: number }
  | { kind: "press"; actor: string; x: number; y: number }
  | { kind: "doing"; actor: string; text: string }
  | { kind: "clipboard"; text: string };
export type IceServer = { urls: Array<string>; username?: string; credential?: string };
export type WireError =
  | "malformed"
  | "forbidden"
  | "bad-offer"
  | "no-codec"
  | "unavailable"
  | "gone";
export type ClientMessage =
  | { type: "offer"; sdp: string }
  | { type: "fit"; width: number; height: number }
  | { type: "ping"; t: number }
  | { type: "report"; photon_ms: Array<number> };
export type ServerMessage =
  | {
      type: "welcome";
      protocol: number;
      version: string;
      you: Presence;
      may_act: boolean;
      room: RoomView;
      ice_servers: Array<IceServer>;
    }
  | { type: "answer"; sdp: string }
  | { type: "view"; room: RoomView }
  | { type: "event"; event: RoomEvent }
  | {
      type: "cursor";
      serial: number;
      width: number;
      height: number;
      hot_x: number;
      hot_y: number;
      png: string;
    }
  | { type: "pong"; t: number }
  | { type: "error"; code: WireError; message: string };
export const PROTOCOL = 1;
