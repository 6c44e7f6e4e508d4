/**
 * A server that exists only here, to look at its admin's page: what the API
 * answers in each scene.
 */
const MINUTE = 60_000;
const GIB = 2 ** 30;
const MIB = 2 ** 20;
const person = (id, name, role, past, lines = [], more = {}) => ({
  id,
  name,
  kind: role === "agent" ? "agent" : "person",
  role,
  since: Date.now() - past,
  seats: 1,
  lines,
  ...more,
});
const line = (more = {}) => ({
  over_tcp: false,
  relayed: false,
  rtt_ms: 14.2,
  loss: 0,
  sent_bytes: 4_200_000,
  frames: 900,
  ...more,
});
const room = (id, state, past, more = {}) => ({
  id,
  address: `https://tandem.example.org/rooms/${id}`,
  phase: { state },
  since: Date.now() - past,
  size: { width: 1280, height: 720 },
  mode: "together",
  page: null,
  holder: null,
  people: [],
  approvals: 0,
  help: 0,
  takes: null,
  made: {
    id,
    size: { width: 1280, height: 720 },
    options: { profile: "keep", limits: {} },
  },
  removable: id !== "main",
  ...more,
});

function overview() {
  const load = Array.from({ length: 110 }, (_, at) => {
    const wave = Math.sin(at / 9) * 0.5 + 0.5;
    const busy = at > 60 && at < 96;
    return {
      at: Date.now() - (110 - at) * 2000,
      cpu: 0.12 + wave * 0.1 + (busy ? 0.35 : 0),
      server_cpu: 0.2,
      encoding: busy ? 0.31 : 0.05,
      memory_bytes: 5.1 * GIB + at * 4 * MIB,
      frames: busy ? 27 + wave * 3 : wave * 4,
      bits: busy ? 2.6e6 + wave * 9e5 : 9e4,
      lines: 3,
    };
  });
  return {
    version: "0.1.0",
    now: Date.now(),
    started: Date.now() - 200 * MINUTE,
    address: "https://tandem.example.org",
    ready: scene !== "notready",
    checks: [
      { check: "store", ok: true },
      scene === "notready"
        ? {
            check: "disk",
            ok: false,
            why: "212 of 40000 MB are free, 512 are needed; make room there, or choose another disk with --data-dir",
          }
        : { check: "disk", ok: true },
      { check: "shared-memory", ok: true },
      { check: "rooms", ok: true },
    ],
    machine: { processors: 4, memory_bytes: 16 * GIB },
    load,
    rooms: [
      room("main", "live", 47 * MINUTE, {
        page: { title: "Orders · Northwind Shop", url: "https://shop.example/orders" },
        holder: "Atlas",
        approvals: 1,
        takes: { memory_bytes: 912 * MIB, processes: 214, cpu: 0.37 },
        people: [
          person("admin.0123456789abcdef", "Admin", "admin", 46 * MINUTE, [line()]),
          person("3f2a9c10bb71", "Mara Lind", "controller", 12 * MINUTE, [
            line({ over_tcp: true, rtt_ms: 61.4, loss: 0.02 }),
          ]),
          person("agent:agent", "Atlas", "agent", 9 * MINUTE),
        ],
      }),
      room("night-shift-review", "sleeping", 320 * MINUTE, {
        page: { title: "Wikipedia", url: "https://en.wikipedia.org/" },
        made: {
          id: "night-shift-review",
          size: { width: 1920, height: 1080 },
          start_url: "https://en.wikipedia.org/",
          options: {
            profile: "discard",
            sleep_s: 600,
            limits: { memory_mb: 2048, cpu_weight: 50 },
            locale: "de",
            time_zone: "Europe/Berlin",
          },
        },
      }),
      room("support", "failed", MINUTE, {
        phase: {
          state: "failed",
          reason:
            "this server has 310 MB of memory left, and a room needs 512; remove a room or let one fall asleep",
        },
        people: [
          person("77aa01c2d3e4", "Jun", "viewer", MINUTE, [line({ relayed: true, rtt_ms: 120 })]),
        ],
      }),
      room("archive", "stopped", 4000 * MINUTE),
    ],
  };
}

const token = (id, name, role, more = {}) => ({
  id,
  role,
  room: "main",
  name,
  created_at: Math.floor(Date.now() / 1000) - 7200,
  expires_at: Math.floor(Date.now() / 1000) + 86_400,
  revoked_at: null,
  tools: null,
  colour: null,
  modes: null,
  origin: null,
  single_use: false,
  used: false,
  person: null,
  ...more,
});
const tokens = () => [
  token("3f2a9c10bb71", "Mara Lind", "controller", { colour: "#6d28d9" }),
  token("77aa01c2d3e4", "Jun", "viewer", { room: "support", expires_at: null }),
  token("90c0ffee1234", "Dashboard", "controller", {
    origin: "https://dashboard.example.org",
    single_use: true,
    used: true,
  }),
  token("aa00bb11cc22", "Old guest", "controller", { revoked_at: 1_700_000_000 }),
];

const secret = (name, kind, origins, more = {}) => ({
  name,
  kind,
  origins,
  room: null,
  made_at: Math.floor(Date.now() / 1000) - 90_000,
  made_by: "Admin",
  used_at: null,
  ...more,
});
const secrets = () => ({
  secrets: [
    secret("bank-otp", "totp", ["https://bank.example"], { room: "main" }),
    secret("shop-password", "password", ["https://shop.example", "https://*.shop.example"], {
      used_at: Math.floor(Date.now() / 1000) - 600,
    }),
    secret("shop-user", "text", ["https://shop.example"], { room: "last-years-audit" }),
  ],
  trouble:
    scene === "nokey"
      ? "the secrets' key is gone: there is no /var/lib/tandem/secrets.key, but secrets are kept that need it. Restore it, or name it by --secrets-key-file; else remove the secrets and set them anew"
      : null,
});
const reach = () => ({
  allow: ["10.20.0.0/16", "wiki.house.example:8443"],
  deny: ["*.ads.example"],
  server: { allow: ["192.168.7.4:9000"], deny: [] },
  proxy: null,
  held_by: "namespace",
  open: 14,
  turned_away: [
    {
      at_ms: Date.now() - 4 * MINUTE,
      host: "192.168.7.9",
      port: 80,
      kind: "closed",
      reason:
        "the room's gate refused 192.168.7.9:80: it is a private address; allow it with --egress-allow 192.168.7.9 or for this room alone",
      times: 3,
    },
    {
      at_ms: Date.now() - 30 * MINUTE,
      host: "pixel.ads.example",
      port: 443,
      kind: "denied",
      reason:
        "the room's gate refused pixel.ads.example:443: '*.ads.example' is in a deny list of this room or server",
      times: 1,
    },
  ],
});

const RULES = `{
  "rules": [
    {
      "name": "ship-by-hand",
      "effect": "ask",
      "what": "browser_click",
      "where": "https://shop.example",
      "matching": { "target": { "name": "Ship*" } },
      "note": "Money leaves the house"
    },
    { "name": "no-banks", "effect": "deny", "where": "https://*.bank.example" }
  ]
}
`;
const near = (name, effect, why) => ({
  rule: { scope: "server", name, line: 4, note: "" },
  effect,
  fits: why.length === 0,
  why,
});

let scene = "usual";

export function setAdminScene(next) {
  scene = next;
}

/** Answers what the admin's page asks; true if it was that. */
export function answerAdmin(request, response) {
  const { pathname } = new URL(request.url, "http://x");
  const json = (body, status = 200) =>
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(body === undefined ? "" : JSON.stringify(body));
  const refuse = (status, code, message) => json({ error: { code, message } }, status);
  if (pathname === "/api/admin") {
    if (scene === "guest")
      refuse(403, "forbidden", "a token with the role controller cannot do this; use the admin's");
    else if (scene === "lost") response.destroy();
    else json(overview());
  } else if (pathname === "/api/tokens") json(tokens());
  else if (pathname === "/api/secrets") json(secrets());
  else if (pathname.startsWith("/api/secrets/"))
    refuse(
      400,
      "bad-request",
      'the body is not right: "shop.example" is no origin for a secret: it has no scheme at line 1 column 61',
    );
  else if (pathname.endsWith("/egress") && request.method === "PUT")
    refuse(
      400,
      "bad-request",
      "the body is not right: '10.0.0.0/99' is no address, range or name: the range is longer than the address; write 10.0.0.0/8, 10.0.0.5:8443, [fd00::1]:443, example.com, *.example.com or example.com:8443 at line 1 column 52",
    );
  else if (pathname.endsWith("/egress")) json(reach());
  else if (pathname.endsWith("/tokens") && request.method === "POST") {
    const text = "tdm_Zk3x9Qe1Vb7mW2cR8tYpL5nHs4JdFgA6uXoKi0BvTqE";
    const url = `https://tandem.example.org/rooms/main?token=${text}`;
    json({ ...token("1122aabb3344", "Ada", "controller"), token: text, url }, 201);
  } else if (pathname.endsWith("/rules/test")) {
    json({
      decision: {
        effect: "deny",
        by: { rule: { scope: "server", name: "no-banks", line: 11, note: "Not from here." } },
        considered: 2,
      },
      rules: [
        near("no-banks", "deny", []),
        near("ship-by-hand", "ask", ["another tool", "another place"]),
      ],
      more: 0,
    });
  } else if (pathname.endsWith("/rules") && request.method === "PUT") {
    refuse(
      400,
      "bad-request",
      "line 4, column 7: there is no field efect; effect is meant\nline 6, column 16: a pattern for origins has no path",
    );
  } else if (pathname.endsWith("/rules")) response.writeHead(200).end(RULES);
  else if (pathname.endsWith("/audit/verify")) json({ ok: true, lines: 1284 });
  else if (pathname.endsWith("/put-out")) json({ revoked: 1 });
  else if (pathname === "/api/doctor")
    json({
      version: "0.1.0",
      your_address: "203.0.113.9",
      unknown_proxy: false,
      secure: true,
      rtc_port: 8081,
      public_addresses: ["198.51.100.7"],
      ice_servers: [],
      checks: overview().checks,
    });
  else if (pathname === "/api/rooms" && request.method === "GET") json([{ id: "main" }]);
  else if (pathname === "/api/rooms" && request.method === "POST")
    refuse(409, "exists", "a room of this name exists already");
  else return false;
  return true;
}
