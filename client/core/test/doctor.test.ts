import { describe, expect, it } from "vitest";
import { type Found, isPrivate, offered, only, sumWords, wayWords } from "../src/doctor.ts";
import { de, doctorTexts } from "../src/doctor-texts/index.ts";

const ANSWER = [
  "v=0",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=candidate:1 1 udp 2130706175 172.31.77.2 8081 typ host",
  "a=candidate:public0udp 1 udp 2130705919 203.0.113.7 8081 typ host",
  "a=candidate:3 1 tcp 1518280447 172.31.77.2 8081 typ host tcptype passive",
  "a=end-of-candidates",
  "",
].join("\r\n");

const found = (more: Partial<Found>): Found => ({
  pair: null,
  picture: false,
  offered: [],
  ...more,
});
const pair = (protocol: string, local = "host") => ({
  protocol,
  local,
  address: "203.0.113.7",
  port: 8081,
  rtt: 12.4,
});
const ok = { verdict: "ok", text: "" } as const;
const fail = { verdict: "fail", text: "" } as const;

describe("the doctor", () => {
  it("leaves an answer with one protocol only", () => {
    expect(offered(ANSWER)).toHaveLength(3);
    expect(offered(only(ANSWER, "tcp"))).toEqual([
      { protocol: "tcp", address: "172.31.77.2", port: 8081 },
    ]);
    expect(only(ANSWER, "udp")).toContain("a=end-of-candidates\r\n");
  });

  it("names the addresses that did not answer and what may be wrong", () => {
    const hidden = wayWords("udp", found({ offered: offered(only(ANSWER, "tcp")) }));
    expect(hidden.text).toContain("172.31.77.2 port 8081");
    expect(hidden.text).toContain("--rtc-public-address");
    expect(wayWords("udp", found({ offered: offered(ANSWER) })).text).toContain("firewall");
    expect(wayWords("tcp", found({})).text).toContain("no address for TCP");
    expect(wayWords("udp", found({ pair: pair("udp") })).text).toContain("no picture");
    expect(wayWords("udp", found({ pair: pair("udp"), picture: true }))).toEqual({
      verdict: "ok",
      text: "UDP straight to 203.0.113.7 port 8081, 12 ms there and back.",
    });
  });

  it("says on top which way it is and why not a better one", () => {
    const told = { socket: ok, udp: ok, tcp: ok, turn: ok };
    const sum = (protocol: string, local?: string) =>
      sumWords(found({ pair: pair(protocol, local), picture: true }), told).text;
    expect(sum("udp")).toContain("best");
    expect(sum("tcp")).toContain("because UDP does not get through");
    expect(sum("udp", "relay")).toContain("TURN");
    expect(sumWords(found({}), told).verdict).toBe("fail");
    expect(sumWords(found({}), { ...told, socket: fail }).text).toContain("WebSocket");
  });

  it("says the same in German", () => {
    const t = doctorTexts(["de-AT", "en"]);
    expect(t).toBe(de);
    expect(doctorTexts(["fr", "en"]).language).toBe("en");
    expect(wayWords("udp", found({ pair: pair("udp"), picture: true }), t).text).toBe(
      "UDP direkt zu 203.0.113.7, Port 8081, 12 ms hin und zurück.",
    );
    const silent = wayWords("udp", found({ offered: offered(only(ANSWER, "udp")) }), t).text;
    expect(silent).toContain(
      "von 172.31.77.2, Port 8081; 203.0.113.7, Port 8081. Eine Firewall auf einer der beiden Seiten",
    );
    const relayed = found({ pair: { ...pair("udp", "relay"), relay: "tls" }, picture: true });
    expect(wayWords("turn", relayed, t).text).toContain("(erreicht über TLS)");
    const told = { socket: ok, udp: fail, tcp: ok, turn: ok };
    expect(sumWords(found({ pair: pair("tcp"), picture: true }), told, t).text).toContain(
      "weil UDP nicht durchkommt",
    );
  });

  it("knows private addresses", () => {
    for (const address of [
      "10.0.0.1",
      "172.31.77.2",
      "192.168.1.2",
      "127.0.0.1",
      "fd00::2",
      "::1",
    ]) {
      expect(isPrivate(address), address).toBe(true);
    }
    for (const address of ["203.0.113.7", "172.32.0.1", "2001:db8::1"])
      expect(isPrivate(address), address).toBe(false);
  });
});
