/** The doctor's page: tries every way at once and says in words what came of it. */
import { sumWords, type Told, wayWords } from "../../../core/src/doctor.ts";
import { doctorTexts } from "../../../core/src/doctor-texts/index.ts";
import { below } from "../../../dom/src/socket.ts";
import { languages } from "../languages.ts";
import { trySocket, tryWay } from "./ways.ts";

interface Diagnosis {
  version: string;
  your_address: string;
  unknown_proxy: boolean;
  secure: boolean;
  rtc_port: number;
  public_addresses: string[];
  ice_servers: RTCIceServer[];
  checks: { check: string; ok: boolean; why?: string }[];
}

const t = doctorTexts(languages());

/** The page comes in English; its other languages are put in before anything is tried. */
function speak(): void {
  document.documentElement.lang = t.language;
  document.title = t.title;
  const words = {
    heading: t.heading,
    sum: t.tryingAll,
    "from-here": t.fromHere,
    "the-server": t.theServer,
  };
  for (const [id, text] of Object.entries(words)) {
    const place = document.getElementById(id);
    if (place) place.textContent = text;
  }
}

const list = (id: string) => document.getElementById(id) as HTMLUListElement;

/** One line; it is filled when its try has ended. */
function line(into: HTMLUListElement, id: string, name: string): (told: Told) => Told {
  const item = document.createElement("li");
  item.dataset.way = id;
  const title = document.createElement("b");
  title.textContent = name;
  const text = document.createElement("span");
  text.textContent = t.trying;
  item.append(title, text);
  into.append(item);
  return told => {
    item.dataset.verdict = told.verdict;
    text.textContent = told.text;
    return told;
  };
}

async function run(): Promise<void> {
  const base = location.origin + location.pathname.replace(/\/doctor\/?$/, "");
  const get = async <T>(path: string): Promise<T> => {
    const answer = await fetch(below(base, path));
    if (!answer.ok) throw new Error(t.answered(answer.status));
    return (await answer.json()) as T;
  };
  const tell = (sum: Told) => {
    const words = document.getElementById("sum");
    if (words) words.textContent = sum.text;
    document.documentElement.dataset.verdict = sum.verdict;
  };
  const ways = list("ways");
  const socketLine = line(ways, "socket", "WebSocket");
  const lines = {
    udp: line(ways, "udp", "UDP"),
    tcp: line(ways, "tcp", "TCP"),
    turn: line(ways, "turn", "TURN"),
  };
  const socket = trySocket(below(base, "api/doctor/ws"), t).then(socketLine);
  let server: Diagnosis;
  let room: string | undefined;
  try {
    server = await get<Diagnosis>("api/doctor");
    const rooms = await get<{ id: string }[]>("api/rooms");
    const asked = new URLSearchParams(location.search).get("room") ?? "main";
    room = (rooms.find(one => one.id === asked) ?? rooms[0])?.id;
  } catch (error) {
    tell({ verdict: "fail", text: t.silent(error instanceof Error ? error.message : `${error}`) });
    return;
  }
  showServer(server);
  if (!room) {
    tell({ verdict: "fail", text: t.noRoom });
    return;
  }
  const whep = below(base, `api/rooms/${encodeURIComponent(room)}/whep`);
  const relays = server.ice_servers.some(one =>
    [one.urls].flat().some(url => /^turns?:/.test(url)),
  );
  const direct = (way: "udp" | "tcp") =>
    tryWay(way, whep, [], t).then(found => lines[way](wayWords(way, found, t)));
  const turn = relays
    ? tryWay("turn", whep, server.ice_servers, t).then(found =>
        lines.turn(wayWords("turn", found, t)),
      )
    : lines.turn({ verdict: "off", text: t.noTurn });
  const chosen = await tryWay("any", whep, server.ice_servers, t);
  const told = {
    socket: await socket,
    udp: await direct("udp"),
    tcp: await direct("tcp"),
    turn: await turn,
  };
  tell(sumWords(chosen, told, t));
}

function showServer(server: Diagnosis): void {
  const into = list("server");
  line(
    into,
    "version",
    "Tandem",
  )({
    verdict: "ok",
    text: t.runs(server.version, server.rtc_port, server.public_addresses),
  });
  line(
    into,
    "address",
    t.you,
  )({
    verdict: server.unknown_proxy ? "fail" : "ok",
    text: server.unknown_proxy
      ? t.comeFromProxy(server.your_address)
      : t.comeFrom(server.your_address, server.secure),
  });
  for (const { check, ok, why } of server.checks) {
    line(
      into,
      check,
      t.checks[check] ?? check,
    )({
      verdict: ok ? "ok" : "fail",
      text: why ?? t.well,
    });
  }
}

speak();
void run().finally(() => {
  document.documentElement.dataset.done = "true";
});
