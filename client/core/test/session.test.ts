import { describe, expect, it } from "vitest";
import { type Effect, Session } from "../src/index.ts";

const make = () => new Session(() => 1);
const effects = (session: Session): string[] => {
  const all: string[] = [];
  for (let e: Effect | undefined = session.pollEffect(); e; e = session.pollEffect())
    all.push(e.do);
  return all;
};
const live = () => {
  const session = make();
  session.handleConnect(0);
  session.handleRoomLive(0, true);
  session.handleWelcome(100, true);
  session.handlePicture();
  session.handlePong();
  effects(session);
  return session;
};

describe("session", () => {
  it("opens socket and peer at once, then is live with the first picture", () => {
    const session = make();
    session.handleConnect(0);
    expect(effects(session)).toEqual(["open"]);
    session.handleWelcome(50, true);
    expect(effects(session)).toEqual(["ping"]);
    expect(session.state.name).toBe("joined");
    session.handlePicture();
    expect(session.state.name).toBe("live");
  });

  it("a lost socket is tried again with growing pauses", () => {
    const session = live();
    let now = 1000;
    session.handleSocketClosed(now, 1006);
    const pauses: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const until = session.pollTimeout();
      pauses.push(until - now);
      now = until;
      session.handleTick(now);
      expect(session.state.name).toBe("connecting");
      session.handleSocketClosed(now, 1006);
    }
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  });

  it("jitter takes up to half of a pause", () => {
    const session = new Session(() => 0);
    session.handleConnect(0);
    session.handleSocketClosed(0, 1006);
    expect(session.pollTimeout()).toBe(250);
  });

  it("waking up tries at once", () => {
    const session = live();
    session.handleSocketClosed(1000, 1006);
    effects(session);
    session.handleWake(1001);
    expect(session.state.name).toBe("connecting");
    expect(effects(session)).toEqual(["open"]);
  });

  it("waking up with a dead socket finds out within two seconds", () => {
    const session = live();
    session.handleWake(50_000);
    expect(effects(session)).toEqual(["ping"]);
    session.handleTick(52_000);
    expect(session.state).toMatchObject({ name: "waiting", cause: "network", seen: true });
  });

  it("a server that says it restarts is named so until the picture is back", () => {
    const session = live();
    session.handleSocketClosed(1000, 1012);
    expect(session.state).toMatchObject({ name: "waiting", cause: "restart" });
    session.handleTick(2000);
    session.handleSocketClosed(2100, 1006);
    expect(session.state).toMatchObject({ name: "waiting", cause: "restart" });
    session.handleTick(9000);
    session.handleWelcome(9100, true);
    session.handlePicture();
    session.handleSocketClosed(9900, 1006);
    expect(session.state).toMatchObject({ cause: "network" });
  });

  it.each([
    [401, "token"],
    [403, "forbidden"],
    [404, "no-room"],
    [410, "no-room"],
  ])("a %i at the door ends the trying", (status, why) => {
    const session = make();
    session.handleConnect(0);
    session.handleSocketClosed(10, 1006);
    expect(effects(session)).toEqual(["open", "probe", "close"]);
    session.handleProbe(status);
    expect(session.state).toEqual({ name: "refused", why });
    expect(session.pollTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    [4001, "expired"],
    [4002, "revoked"],
    [4003, "used"],
    [4004, "no-room"],
    [4005, "unknown"],
    [4006, "origin"],
    [4007, "forbidden"],
    [4029, "too-many"],
  ])("a socket closed with %i ends the trying, also in the middle", (code, why) => {
    const session = live();
    session.handleSocketClosed(1000, code);
    expect(effects(session)).toEqual(["close"]);
    expect(session.state).toEqual({ name: "refused", why });
    session.handleWake(2000);
    expect(effects(session)).toEqual([]);
  });

  it("a probe that fails or answers well keeps trying", () => {
    for (const status of [0, 200, 500, 503]) {
      const session = make();
      session.handleConnect(0);
      session.handleSocketClosed(10, 1006);
      session.handleProbe(status);
      expect(session.state.name).toBe("waiting");
    }
  });

  it("says that only the socket does not open, until it does", () => {
    const session = make();
    session.handleConnect(0);
    session.handleSocketClosed(10, 1006);
    session.handleProbe(200);
    expect(session.state).toMatchObject({ name: "waiting", cause: "socket" });
    session.handleWake(20);
    session.handleSocketClosed(30, 1006);
    expect(session.state).toMatchObject({ name: "waiting", cause: "socket" });
    session.handleWake(40);
    session.handleWelcome(50, true);
    session.handleSocketClosed(60, 1006);
    expect(session.state).toMatchObject({ cause: "network" });
  });

  it("another version of the messages asks for a reload", () => {
    const session = make();
    session.handleConnect(0);
    session.handleWelcome(10, false);
    expect(session.state).toEqual({ name: "refused", why: "version" });
  });

  it("media that fails gets a new peer on the same socket, three times, then all is opened anew", () => {
    const session = live();
    session.handleMediaFailed(1000);
    expect(effects(session)).toEqual(["renew-peer"]);
    session.handleMediaFailed(1100);
    session.handleMediaFailed(1200);
    expect(effects(session)).toEqual(["renew-peer", "renew-peer"]);
    session.handleMediaFailed(1300);
    expect(effects(session)).toEqual(["close"]);
    expect(session.state).toMatchObject({ name: "waiting", cause: "media" });
  });

  it("media in doubt may come back by itself", () => {
    const session = live();
    session.handleMediaDoubtful(1000);
    session.handlePong();
    session.handleMediaUp();
    effects(session);
    session.handleTick(2600);
    expect(session.state.name).toBe("live");
    session.handleMediaDoubtful(3000);
    session.handlePong();
    effects(session);
    session.handleTick(4500);
    expect(effects(session)).toContain("renew-peer");
  });

  it("a room that is starting is not blamed for having no picture", () => {
    const session = make();
    session.handleConnect(0);
    session.handleRoomLive(0, false);
    session.handleWelcome(100, true);
    session.handlePong();
    effects(session);
    session.handleTick(100 + 20_000);
    expect(effects(session)).toEqual(["ping"]);
    session.handlePong();
    session.handleRoomLive(30_000, true);
    session.handleTick(36_000);
    expect(effects(session)).toContain("renew-peer");
  });

  it("a disconnect leaves nothing to do", () => {
    const session = live();
    session.handleDisconnect();
    expect(effects(session)).toEqual(["close"]);
    expect(session.pollTimeout()).toBe(Number.POSITIVE_INFINITY);
    session.handleSocketClosed(5, 1000);
    expect(session.state.name).toBe("idle");
  });
});
