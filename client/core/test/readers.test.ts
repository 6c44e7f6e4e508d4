import { describe, expect, it } from "vitest";
import {
  colourOf,
  initialsOf,
  noticeOf,
  Percentiles,
  PhotonTracker,
  type Presence,
  parseServerMessage,
  type RoomView,
  StatsComputer,
  Store,
  whoActs,
  whoWaits,
} from "../src/index.ts";

const mara: Presence = { id: "p1", name: "Mara Lind", kind: "person", role: "admin" };
const room: RoomView = {
  id: "main",
  size: { width: 1280, height: 720 },
  phase: { state: "live" },
  present: [mara],
  holder: null,
  private: null,
  floor: { mode: "together", takeover: null, turn: null, requests: [], hand_backs: 0 },
  waiting: [],
  help: [],
  approvals: [],
  page: null,
};

describe("messages", () => {
  it("a welcome is taken, and each missing part is refused", () => {
    const welcome = {
      type: "welcome",
      protocol: 1,
      version: "0.1.0",
      you: mara,
      may_act: true,
      room,
      ice_servers: [],
    };
    expect(parseServerMessage(JSON.stringify(welcome)).ok).toBe(true);
    for (const part of Object.keys(welcome)) {
      const without: Record<string, unknown> = { ...welcome };
      delete without[part];
      expect(parseServerMessage(JSON.stringify(without)).ok, part).toBe(false);
    }
  });

  it.each([
    "",
    "{",
    "[]",
    "null",
    '{"type":"nonsense"}',
    '{"type":"event","event":{"kind":"pointer","actor":"a","x":"1","y":2,"ms":3}}',
    '{"type":"view","room":{}}',
    '{"type":"pong","t":null}',
  ])("%s is refused with a reason", text => {
    expect(parseServerMessage(text)).toMatchObject({ ok: false, reason: expect.any(String) });
  });
});

describe("photon", () => {
  it("an echo before its picture waits for it", () => {
    const tracker = new PhotonTracker();
    const stamp = tracker.stamp(1000);
    tracker.handleEcho(stamp, 9000, 4400);
    tracker.handleFrame(8000, 1010);
    expect(tracker.take()).toEqual([]);
    tracker.handleFrame(9000, 1021);
    expect(tracker.take()).toEqual([{ ms: 21, serverMs: 4.4 }]);
  });

  it("a picture before its echo counts, and a skipped one is the next", () => {
    const tracker = new PhotonTracker();
    const stamp = tracker.stamp(1000);
    tracker.handleFrame(8990, 1008);
    tracker.handleFrame(9003, 1016);
    tracker.handleEcho(stamp, 9000, 0);
    expect(tracker.take().map(p => p.ms)).toEqual([16]);
  });

  it("RTP time may come round", () => {
    const tracker = new PhotonTracker();
    const stamp = tracker.stamp(0);
    tracker.handleEcho(stamp, 0xfffffff0, 0);
    tracker.handleFrame(5, 12);
    expect(tracker.take().map(p => p.ms)).toEqual([12]);
  });

  it("unknown stamps and old waits are forgotten", () => {
    const tracker = new PhotonTracker();
    tracker.handleEcho(99, 1, 0);
    const stamp = tracker.stamp(0);
    tracker.handleEcho(stamp, 100, 0);
    tracker.handleFrame(50, 6000);
    tracker.handleFrame(200, 6001);
    expect(tracker.take()).toEqual([]);
  });
});

describe("stats", () => {
  const reading = (at: number, n: number) => ({
    at,
    framesDecoded: 60 * n,
    bytesReceived: 125_000 * n,
    packetsReceived: 99 * n,
    packetsLost: n,
    width: 1280,
    height: 720,
    codec: "H264",
    rtt: 12,
  });

  it("rates are differences over time", () => {
    const stats = new StatsComputer();
    stats.handleReading(reading(0, 1));
    const now = stats.handleReading(reading(1000, 2));
    expect(now).toMatchObject({ fps: 60, kbps: 1000, loss: 0.01, packetsLost: 2, quality: "good" });
  });

  it("counters that start over give no negative rates", () => {
    const stats = new StatsComputer();
    stats.handleReading(reading(0, 5));
    expect(stats.handleReading(reading(1000, 1)).fps).toBe(60);
  });

  it("percentiles are samples that were seen", () => {
    const p = new Percentiles(100);
    expect(p.at(0.5)).toBeNull();
    for (let i = 1; i <= 100; i += 1) p.add(i);
    expect([p.at(0.5), p.at(0.95), p.at(1)]).toEqual([50, 95, 100]);
  });
});

describe("people and words", () => {
  it("a colour depends on the id alone, agents and people never share one", () => {
    expect(colourOf("p1", "person")).toBe(colourOf("p1", "person"));
    expect(colourOf("x", "person")).toMatch(/^person-[1-6]$/);
    expect(colourOf("x", "agent")).toMatch(/^agent-[1-4]$/);
  });

  it("initials are letters of the name", () => {
    expect(["Mara Lind", "atlas", "", "张 伟", "cobalt-crow"].map(initialsOf)).toEqual([
      "ML",
      "A",
      "?",
      "张伟",
      "CC",
    ]);
  });

  it("says who acts and who waits", () => {
    expect(whoActs(room, "p1")).toBe("Nobody is acting");
    expect(whoActs({ ...room, holder: mara }, "p1")).toBe("You are acting");
    expect(whoActs({ ...room, holder: mara }, "p2")).toBe("Mara Lind is acting");
    expect(whoWaits({ ...room, waiting: ["Atlas", "Bo"] })).toBe("Atlas and Bo are waiting");
  });

  it("says nothing over a live picture, and no sentence shouts", () => {
    expect(noticeOf({ name: "live" }, room)).toBeNull();
    const states = [
      noticeOf({ name: "refused", why: "token" }, null),
      noticeOf({ name: "waiting", attempt: 1, until: 0, seen: true, cause: "network" }, room),
      noticeOf(
        { name: "live" },
        { ...room, phase: { state: "restarting", reason: "Chromium crashed." } },
      ),
    ];
    for (const state of states) expect(state?.sentence).toMatch(/^[^!]+\.$/);
    expect(states[0]?.sentence).toContain("expired");
    expect(states[2]?.detail).toBe("Chromium crashed.");
  });
});

describe("store", () => {
  it("tells the value at once, each change once, and nothing after leaving", () => {
    const store = new Store(1);
    const seen: number[] = [];
    const leave = store.subscribe(v => seen.push(v));
    store.set(2);
    store.set(2);
    leave();
    store.set(3);
    expect(seen).toEqual([1, 2]);
  });
});
