/** The doctor's page: tries every way at once and says in words what came of it. */
import { sumWords, type Told, wayWords } from "../../../core/src/doctor.ts";
import { below } from "../../../dom/src/socket.ts";
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

const NAMES: Readonly<Record<string, string>> = {
  store: "Data",
  disk: "Disk",
  "shared-memory": "Shared memory",
  rooms: "Rooms",
  "user-namespaces": "Sandbox",
};

const list = (id: string) => document.getElementById(id) as HTMLUListElement;

/** One line; it is filled when its try has ended. */
function line(into: HTMLUListElement, id: string, name: string): (told: Told) => Told {
  const item = document.createElement("li");
  item.dataset.way = id;
  const title = document.createElement("b");
  title.textContent = name;
  const text = document.createElement("span");
  text.textContent = "trying …";
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
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
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
  const socket = trySocket(below(base, "api/doctor/ws")).then(socketLine);
  let server: Diagnosis;
  let room: string | undefined;
  try {
    server = await get<Diagnosis>("api/doctor");
    const rooms = await get<{ id: string }[]>("api/rooms");
    const asked = new URLSearchParams(location.search).get("room") ?? "main";
    room = (rooms.find(one => one.id === asked) ?? rooms[0])?.id;
  } catch (error) {
    tell({ verdict: "fail", text: `The server does not tell about itself: ${error}` });
    return;
  }
  showServer(server);
  if (!room) {
    tell({
      verdict: "fail",
      text: "There is no room that this link opens, so no way can be tried.",
    });
    return;
  }
  const whep = below(base, `api/rooms/${encodeURIComponent(room)}/whep`);
  const relays = server.ice_servers.some(one =>
    [one.urls].flat().some(url => /^turns?:/.test(url)),
  );
  const direct = (way: "udp" | "tcp") =>
    tryWay(way, whep, []).then(found => lines[way](wayWords(way, found)));
  const turn = relays
    ? tryWay("turn", whep, server.ice_servers).then(found => lines.turn(wayWords("turn", found)))
    : lines.turn({
        verdict: "off",
        text: "No TURN server is set up (--turn-url). It is needed only where neither UDP nor TCP gets through.",
      });
  const chosen = tryWay("any", whep, server.ice_servers);
  tell(
    sumWords(await chosen, {
      socket: await socket,
      udp: await direct("udp"),
      tcp: await direct("tcp"),
      turn: await turn,
    }),
  );
}

function showServer(server: Diagnosis): void {
  const into = list("server");
  line(
    into,
    "version",
    "Tandem",
  )({
    verdict: "ok",
    text: `${server.version}, WebRTC on port ${server.rtc_port} by UDP and TCP${
      server.public_addresses.length > 0 ? `, also as ${server.public_addresses.join(", ")}` : ""
    }.`,
  });
  line(
    into,
    "address",
    "You",
  )({
    verdict: server.unknown_proxy ? "fail" : "ok",
    text: server.unknown_proxy
      ? `come from ${server.your_address}, which is a proxy: name it with --trusted-proxies, or its limits hold for all people together.`
      : `come from ${server.your_address}${server.secure ? ", by TLS" : ""}.`,
  });
  for (const { check, ok, why } of server.checks) {
    line(
      into,
      check,
      NAMES[check] ?? check,
    )({
      verdict: ok ? "ok" : "fail",
      text: why ?? "All well.",
    });
  }
}

void run().finally(() => {
  document.documentElement.dataset.done = "true";
});
