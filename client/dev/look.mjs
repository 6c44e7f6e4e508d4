/**
 * Takes pictures of the built client in all its states, with a room that is
 * only in the page, and asks axe about each: `npm run build && npm run look [folder]`.
 */
import { createReadStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "@playwright/test";
import { answerAdmin, setAdminScene } from "./fake-admin.mjs";
import { answer, setScene } from "./fake-sessions.mjs";

const here = import.meta.dirname;
const dist = join(here, "..", "dist");
const out = process.argv[2] ?? join(here, "..", "test-results", "look");
const only = process.argv[3];
mkdirSync(out, { recursive: true });

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
/** The page around a button, with the button outlined, as the server would send it. */
const TARGET = `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="220" viewBox="0 0 480 220">
<rect width="480" height="220" fill="#fff"/><rect y="20" width="480" height="44" fill="#f6f7f9"/>
<g font="16px sans-serif" font-family="sans-serif" font-size="15" fill="#333"><text x="20" y="47">#1084 Lamp, brass, 9 pcs</text>
<text x="390" y="47">190.00 €</text></g><rect x="30" y="110" width="160" height="44" fill="#1d5fe0"/>
<text x="58" y="137" fill="#fff" font-family="sans-serif" font-size="15">Ship them all</text>
<rect x="26" y="106" width="168" height="52" fill="none" stroke="#d62828" stroke-width="3"/></svg>`;

/** A made-up record: pages of forty lines, two days long. */
function record(query) {
  const mara = { id: "p-mara", name: "Mara Lind", role: "controller" };
  const atlas = { id: "a-atlas", name: "Atlas", role: "agent" };
  const page = "https://shop.example/orders";
  const click = { element: "Ship them all button" };
  const asked = { targets: [{ role: "button", name: "Ship them all" }] };
  const happened = [
    [atlas, "look", "browser_snapshot", { page }],
    [atlas, "act", "browser_click", { page, details: click }],
    [mara, "approval", "answered", { details: { answer: "once", tool: "browser_click" } }],
    [atlas, "approval", "browser_click", { outcome: "begun", details: asked }],
    [mara, "floor", "handed back", { details: { note: "Logged in, please continue" } }],
    [mara, "input", "hands", { page, details: { presses: 6, keys: 42, scrolls: 2, texts: 0 } }],
    [mara, "floor", "took over", {}],
    [
      atlas,
      "act",
      "browser_type",
      {
        page,
        outcome: "refused",
        reason: "Mara Lind took over 4 s ago",
        details: { element: "Discount" },
      },
    ],
    [
      atlas,
      "act",
      "browser_navigate",
      {
        outcome: "refused",
        reason: "the rule no-banks denies it",
        details: { url: "https://bank.example" },
      },
    ],
    [mara, "join", "entered", {}],
    [null, "room", "browser", { outcome: "failed", reason: "Chromium ended with signal 11" }],
  ];
  const start = Number(query.get("cursor") ?? 201) - 1;
  const now = Date.now();
  const lines = Array.from({ length: 40 }, (_, n) => start - n)
    .filter(seq => seq > 0)
    .map(seq => {
      const past = 200 - seq;
      const [who, kind, what, more] = happened[past % happened.length];
      const at = now - past * 14_000 - Math.floor(past / happened.length) * 4_000_000;
      return { hash: "", line: { seq, at, who, kind, what, outcome: "done", ...more } };
    })
    .filter(({ line }) => !query.has("outcome") || line.outcome === "refused");
  return { lines, cursor: start > 40 ? start - 39 : null, last: 200 };
}

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const server = createServer((request, response) => {
  const path = new URL(request.url, "http://x").pathname;
  if (answerAdmin(request, response)) return;
  if (path.endsWith("/audit")) {
    const body = JSON.stringify(record(new URL(request.url, "http://x").searchParams));
    response.writeHead(200, { "content-type": "application/json" }).end(body);
    return;
  }
  if (path.endsWith("/picture")) {
    response.writeHead(200, { "content-type": "image/svg+xml" }).end(TARGET);
    return;
  }
  if (answer(request, response)) return;
  if (path.startsWith("/api/")) {
    response.writeHead(401).end();
    return;
  }
  const asset = join(dist, path);
  const page = ["/admin", "/doctor"].includes(path) ? path.slice(1) : "index";
  const html = join(dist, `${page}.html`);
  const file = path.startsWith("/assets/") && existsSync(asset) ? asset : html;
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-security-policy": POLICY,
  });
  // As the server does: the page is told where its assets are.
  if (file.endsWith(".html")) response.end(readFileSync(file, "utf8").replaceAll('="./', '="/'));
  else createReadStream(file).pipe(response);
});
await new Promise(done => server.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.TANDEM_E2E_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    "--disable-features=WebRtcHideLocalIpsWithMdns",
  ],
});

const live = page =>
  page.waitForFunction(() => document.querySelector("tandem-room")?.state.name === "live");
const agentActs = async page => {
  await page.evaluate(() => {
    const atlas = fake.view.present[2];
    fake.setView({ holder: atlas });
    fake.event({ kind: "pointer", actor: "p-jun", x: 900, y: 330, ms: 0 });
    fake.event({ kind: "pointer", actor: atlas.id, x: 420, y: 420, ms: 0 });
    fake.event({ kind: "doing", actor: atlas.id, text: "clicks Ship them all" });
    fake.event({ kind: "pointer", actor: atlas.id, x: 160, y: 632, ms: 200 });
  });
  await page.waitForTimeout(400);
  await page.evaluate(() => fake.event({ kind: "press", actor: "a-atlas", x: 160, y: 632 }));
  await page.waitForTimeout(120);
};

const approval = (more = {}) => ({
  id: "00000000000000aa-1",
  position: 1,
  of: 1,
  actor: "a-atlas",
  name: "Atlas",
  role: "agent",
  tool: "browser_click",
  classes: ["input", "submit"],
  places: ["https://shop.example"],
  targets: [{ role: "button", name: "Ship them all" }],
  arguments: { element: "Ship them all button", target: "e14" },
  texts: [],
  shortened: false,
  why: "All nine orders are paid, and the labels are printed.",
  rule: { scope: "room", name: "ship-by-hand", line: 4, note: "Money leaves the house" },
  expires_at: Date.now() + 240_000,
  can_be_always: true,
  picture: true,
  answered: null,
  ...more,
});
const typing = {
  id: "00000000000000aa-2",
  position: 2,
  of: 2,
  tool: "browser_fill_form",
  targets: [
    { role: "textbox", name: "Delivery note" },
    { role: "textbox", name: "Reference \u202e gnp.exe" },
  ],
  texts: ["Please leave the parcels with the neighbours at number 14.", "RE-2026-0081"],
  arguments: { slowly: true },
  picture: false,
  can_be_always: false,
  rule: null,
};
const setFloor = (page, floor, rest = {}) =>
  page.evaluate(
    ([floor, rest]) => {
      const [mara, jun, atlas] = fake.view.present;
      const bo = { id: "p-bo", name: "Bo", kind: "person", role: "controller" };
      const who = { mara, jun, atlas, bo };
      const of = name => (name ? who[name] : null);
      fake.setView({
        present: [mara, { ...jun, role: "controller" }, atlas, bo],
        holder: of(rest.holder),
        floor: {
          ...fake.view.floor,
          ...floor,
          takeover: of(floor.takeover),
          turn: of(floor.turn),
          requests: (floor.requests ?? []).map(of),
        },
      });
    },
    [floor, rest],
  );

const openTimeline = async page => {
  const more = page.getByRole("button", { name: "More" });
  if (await more.isVisible()) await more.click();
  await page.getByRole("button", { name: "Timeline", exact: true }).click();
  await page.waitForTimeout(300);
};

/** The panel with a session that was talked in before. */
const talking = (scene, after = async () => {}) => ({
  scene,
  chosen: "ses_orders",
  after: async page => {
    await live(page);
    const agent = page.locator(".views button", { hasText: "Agent" });
    if (await agent.isVisible()) await agent.click();
    await page.getByLabel("Message to the agent").waitFor();
    await page.waitForTimeout(500);
    await after(page);
    await page.waitForTimeout(200);
  },
});

/** The page of whoever administers the server, in one of its sections. */
const administers = (section, after = async () => {}, admin = "usual") => ({
  admin,
  path: `/admin#${section}`,
  after: async page => {
    if (admin === "usual") await page.locator("section").first().waitFor();
    await after(page);
    await page.waitForTimeout(150);
  },
});

/** The doctor's page, where no way gets through. */
const doctors = language => ({
  path: `/doctor?lang=${language}`,
  after: page => page.locator("html[data-done]").waitFor(),
});

const states = {
  doctor: doctors("en"),
  doctorde: doctors("de"),
  admin: administers("rooms"),
  adminde: { ...administers("rooms"), path: "/admin?lang=de#rooms" },
  admindetails: administers("rooms", async page => {
    await page.getByRole("button", { name: "night-shift-review", exact: true }).click();
  }),
  adminmenu: administers("rooms", page =>
    page.getByRole("button", { name: "More for night-shift-review" }).click(),
  ),
  admindelete: administers("rooms", async page => {
    await page.getByRole("button", { name: "More for night-shift-review" }).click();
    await page.getByRole("button", { name: "Delete" }).click();
  }),
  adminmake: administers("rooms", async page => {
    await page.getByRole("button", { name: "New room" }).click();
    await page.getByText("Limits, sleep").click();
    await page.getByLabel("Name").fill("main");
    await page.getByRole("button", { name: "Make the room" }).click();
    await page.getByRole("alert").waitFor();
  }),
  adminpeople: administers("people"),
  adminputout: administers("people", page =>
    page.getByRole("button", { name: "Put out: Mara Lind" }).click(),
  ),
  admintokens: administers("tokens", page =>
    page.getByText("Dashboard", { exact: true }).waitFor(),
  ),
  adminmint: administers("tokens", async page => {
    await page.getByRole("button", { name: "New token" }).click();
    await page.getByText("A colour of its own").click();
  }),
  adminminted: administers("tokens", async page => {
    await page.getByRole("button", { name: "New token" }).click();
    await page.getByRole("button", { name: "Make the token" }).click();
    await page.getByText("Copy it now").waitFor();
  }),
  adminrevoke: administers("tokens", async page => {
    await page.getByRole("button", { name: "Revoke: Jun" }).click();
  }),
  adminsecrets: administers("secrets", page => page.getByText("secret:bank-otp").waitFor()),
  adminsecretsde: {
    ...administers("secrets", page => page.getByText("secret:bank-otp").waitFor()),
    path: "/admin?lang=de#secrets",
  },
  adminnokey: administers("secrets", page => page.getByText("key is gone").waitFor(), "nokey"),
  adminkeep: administers("secrets", async page => {
    await page.getByRole("button", { name: "New secret" }).click();
    await page.getByLabel("Name").fill("mail-password");
    await page.getByLabel("Value").fill("correct horse");
    await page.getByLabel("May be typed at").fill("shop.example");
    await page.getByRole("button", { name: "Keep the secret" }).click();
    await page.getByText("is no origin").waitFor();
  }),
  adminreplace: administers("secrets", async page => {
    await page.getByRole("button", { name: "Replace: shop-password" }).click();
  }),
  adminforget: administers("secrets", async page => {
    await page.getByRole("button", { name: "Remove: shop-password" }).click();
  }),
  adminreach: administers("rooms", async page => {
    await page.getByRole("button", { name: "main", exact: true }).click();
    await page.getByText("Turned away lately").waitFor();
  }),
  adminreachbroken: administers("rooms", async page => {
    await page.getByRole("button", { name: "main", exact: true }).click();
    await page.getByLabel("Closed").fill("10.0.0.0/99");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("is no address").waitFor();
  }),
  adminrules: administers("rules", async page => {
    await page.waitForFunction(() => /no-banks/.test(document.querySelector("textarea").value));
  }),
  adminbroken: administers("rules", async page => {
    await page.waitForFunction(() => /no-banks/.test(document.querySelector("textarea").value));
    await page.getByLabel("Rules as JSON").press("Space");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Not saved,").waitFor();
  }),
  admintrial: administers("rules", async page => {
    await page.getByRole("button", { name: "Try it" }).click();
    await page.getByText("Denied", { exact: true }).waitFor();
    await page.getByText("What came close").scrollIntoViewIfNeeded();
  }),
  adminserver: administers("server", async page => {
    await page.getByRole("button", { name: "Check: main" }).click();
    await page.getByText("1284 lines").waitFor();
  }),
  adminnotready: administers("server", page => page.getByText("212 of").waitFor(), "notready"),
  adminguest: administers("rooms", page => page.getByText("This page is for").waitFor(), "guest"),
  adminlost: administers("rooms", async page => {
    await page.locator("section").first().waitFor();
    setAdminScene("lost");
    await page.getByText("does not answer").waitFor();
  }),
  talk: talking("talk"),
  talktop: talking("talk", async page => {
    await page.locator(".transcript").evaluate(list => list.scrollTo(0, 0));
  }),
  talkopen: talking("talk", async page => {
    for (const name of [/Click/, /Run/, /Edit/, /Thought/]) {
      const summary = page.locator("summary", { hasText: name }).first();
      if ((await summary.count()) > 0) await summary.click();
    }
    await page.locator(".transcript").evaluate(list => list.scrollTo(0, 60));
  }),
  talkbusy: talking("busy", async page => {
    await page.getByLabel("Message to the agent").fill("And then write to the two who are away.");
    await page.keyboard.press("Enter");
    await page.locator(".plan summary").click();
  }),
  talkprojects: talking("projects", async page => {
    await page.getByLabel("Add a project").click();
  }),
  talkpermission: talking("permission"),
  talkquestion: talking("question"),
  talkfailed: talking("failed", page => page.getByText("cannot be started").waitFor()),
  talkrestarting: talking("restarting"),
  talkretrying: talking("retrying"),
  talkfault: talking("fault"),
  talkreverted: talking("reverted"),
  talkempty: { ...talking("empty"), chosen: null },
  talkoff: { ...talking("off"), chosen: null },
  talklist: talking("talk", async page => {
    await page.getByTitle("All sessions").click();
  }),
  talkmenu: talking("talk", async page => {
    await page.getByLabel("More for this session").click();
  }),
  talkfiles: talking("talk", async page => {
    await page.getByLabel("More for this session").click();
    await page.getByText("Changed files").click();
    await page.locator(".file summary").click();
  }),
  talkwriting: talking("talk", async page => {
    await page.getByLabel("Add a screenshot of the room").click();
    await page.getByLabel("Message to the agent").fill("Look at @src");
    await page.locator(".offer").first().waitFor();
  }),
  talkpick: talking("talk", async page => {
    await page.getByLabel("Pick an element of the page").click();
    await page.mouse.move(160, 500);
  }),
  talkpicked: talking("talk", async page => {
    await page.getByLabel("Pick an element of the page").click();
    await page.mouse.click(160, 500);
    await page.getByText("Put it into the message").waitFor();
  }),
  talkquestionaway: talking("question", async page => {
    const back = page.getByRole("button", { name: "Back to the browser" });
    if (await back.isVisible()) await back.click();
    else await page.getByLabel("Hide the panel").click();
  }),
  talkhelping: talking("talk", async page => {
    await page.evaluate(() => {
      const [you, , atlas] = fake.view.present;
      fake.setView({
        help: [
          { id: 1, agent: atlas, reason: "Please sign in.", task: "act", helper: you },
          { id: 2, agent: atlas, reason: "Which one is paid?", task: "annotate", helper: null },
        ],
      });
    });
  }),
  talkhelp: talking("talk", async page => {
    await page.evaluate(() => {
      const atlas = fake.view.present[2];
      fake.setView({
        help: [
          {
            id: 1,
            agent: atlas,
            reason: "Please sign in, then hand back.",
            task: "act",
            helper: null,
          },
        ],
      });
    });
  }),
  palette: talking("talk", async page => {
    await page.keyboard.press("Control+k");
    await page.getByLabel("Find a command").waitFor();
  }),
  keys: talking("talk", async page => {
    await page.locator("body").focus();
    await page.locator(".panel-head .title-button").focus();
    await page.keyboard.press("?");
    await page.getByRole("heading", { name: "Keys" }).waitFor();
  }),
  takeover: {
    after: async page => {
      await live(page);
      await setFloor(page, { takeover: "mara" }, { holder: "mara" });
    },
  },
  takenover: {
    after: async page => {
      await live(page);
      await setFloor(page, { takeover: "bo" }, { holder: "bo" });
      await page.mouse.click(300, 400);
    },
  },
  turns: {
    after: async page => {
      await live(page);
      await setFloor(
        page,
        { mode: "turns", turn: "mara", requests: ["bo", "atlas"] },
        { holder: "mara" },
      );
    },
  },
  theirturn: {
    after: async page => {
      await live(page);
      await setFloor(page, { mode: "turns", turn: "bo" }, { holder: "bo" });
      await page.mouse.click(300, 400);
    },
  },
  modes: {
    after: async page => {
      await live(page);
      await setFloor(page, { mode: "turns", turn: "mara", requests: ["bo"] }, { holder: "mara" });
      await page.getByRole("button", { name: /Who may act/ }).click();
    },
  },
  watch: {
    after: async page => {
      await live(page);
      await setFloor(page, { mode: "watch" }, { holder: "atlas" });
      await page.mouse.click(300, 400);
    },
  },
  handsoff: {
    after: async page => {
      await live(page);
      await setFloor(page, { mode: "hands-off" });
    },
  },
  approval: {
    after: async page => {
      await live(page);
      await page.evaluate(
        list => fake.setView({ approvals: list }),
        [approval({ of: 2 }), approval(typing)],
      );
      await page.waitForTimeout(600);
    },
  },
  approvaltext: {
    after: async page => {
      await live(page);
      await page.evaluate(
        list => fake.setView({ approvals: list }),
        [approval({ ...typing, position: 1, of: 1 })],
      );
      await page.waitForTimeout(600);
    },
  },
  approvalwatched: {
    query: "?watching",
    after: async page => {
      await live(page);
      await page.evaluate(list => fake.setView({ approvals: list }), [approval()]);
    },
  },
  answered: {
    after: async page => {
      await live(page);
      await page.evaluate(list => fake.setView({ approvals: list }), [approval()]);
      await page.waitForTimeout(600);
      const answered = { by: "p-bo", name: "Bo", role: "controller", answer: { answer: "once" } };
      await page.evaluate(
        list => fake.setView({ approvals: list }),
        [approval({ answered, position: null })],
      );
    },
  },
  timeline: {
    after: async page => {
      await live(page);
      await openTimeline(page);
      await page.getByText("Took over").first().waitFor();
    },
  },
  timelinecard: {
    after: async page => {
      await live(page);
      await openTimeline(page);
      await page.evaluate(list => fake.setView({ approvals: list }), [approval()]);
      await page.waitForTimeout(600);
    },
  },
  timelineempty: {
    after: async page => {
      await page.route("**/audit?**", route =>
        route.fulfill({ json: { lines: [], cursor: null, last: 0 } }),
      );
      await live(page);
      await openTimeline(page);
    },
  },
  timelinebroken: {
    after: async page => {
      await page.route("**/audit?**", route => route.abort());
      await live(page);
      await openTimeline(page);
    },
  },
  loading: { query: "?no-picture" },
  live: { after: live },
  agent: {
    after: async page => {
      await live(page);
      await agentActs(page);
    },
  },
  waits: {
    after: async page => {
      await live(page);
      await page.evaluate(() => fake.setView({ holder: fake.view.present[0], waiting: ["Atlas"] }));
    },
  },
  help: {
    after: async page => {
      await live(page);
      await page.evaluate(() => {
        const [you, jun, atlas] = fake.view.present;
        fake.setView({
          help: [
            {
              id: 1,
              agent: atlas,
              reason: "Please sign in, then hand back.",
              task: "act",
              helper: you,
            },
            {
              id: 2,
              agent: atlas,
              reason: "Is this the right invoice?",
              task: "act",
              helper: null,
            },
            { id: 3, agent: atlas, reason: "Please solve the CAPTCHA", task: "act", helper: jun },
          ],
        });
      });
    },
  },
  asked: {
    after: async page => {
      await live(page);
      await page.evaluate(() => {
        const atlas = fake.view.present[2];
        const reason = "Which of these should I cancel?";
        fake.setView({ help: [{ id: 1, agent: atlas, reason, task: "annotate", helper: null }] });
      });
    },
  },
  markup: {
    after: async page => {
      await live(page);
      await page.evaluate(() => {
        const [you, , atlas] = fake.view.present;
        const reason = "Which of these should I cancel?";
        fake.setView({ help: [{ id: 1, agent: atlas, reason, task: "annotate", helper: you }] });
      });
      const board = await page.locator(".markup-board svg").boundingBox();
      const at = (x, y) => [board.x + board.width * x, board.y + board.height * y];
      await page.mouse.move(...at(0.2, 0.4));
      await page.mouse.down();
      await page.mouse.move(...at(0.4, 0.55), { steps: 4 });
      await page.mouse.up();
      await page.getByLabel("What about mark 1").fill("This one, please");
      await page.getByRole("radio", { name: "Pen" }).check();
      await page.mouse.move(...at(0.6, 0.5));
      await page.mouse.down();
      for (let n = 0; n < 12; n += 1)
        await page.mouse.move(...at(0.6 + n * 0.02, 0.5 + Math.sin(n) * 0.05));
      await page.mouse.up();
      await page.getByRole("button", { name: "Add a box" }).click();
    },
  },
  stats: {
    after: async page => {
      await live(page);
      const more = page.getByRole("button", { name: "More" });
      if (await more.isVisible()) await more.click();
      await page.getByRole("button", { name: "Statistics" }).click();
      await page.waitForTimeout(2500);
    },
  },
  menu: {
    phone: true,
    after: async page => {
      await live(page);
      await page.getByRole("button", { name: "More" }).click();
    },
  },
  watching: { query: "?watching", after: live },
  onetoone: {
    after: async page => {
      await live(page);
      await page.evaluate(() => document.querySelector("tandem-room").setAttribute("fit", "1:1"));
    },
  },
  lost: {
    after: async page => {
      await live(page);
      await page.evaluate(() => {
        fake.refuse = "soft";
        fake.close(1006);
      });
      await page.route("**/api/**", route => route.abort());
      await page.waitForTimeout(900);
    },
  },
  restarting: {
    after: async page => {
      await live(page);
      await page.evaluate(() => {
        fake.refuse = true;
        fake.close(1012);
      });
      await page.route("**/api/**", route => route.abort());
      await page.waitForTimeout(500);
    },
  },
  crashed: {
    after: async page => {
      await live(page);
      await page.evaluate(() =>
        fake.setView({ phase: { state: "restarting", reason: "Chromium ended with signal 11." } }),
      );
    },
  },
  failed: {
    after: async page => {
      await live(page);
      await page.evaluate(() =>
        fake.setView({ phase: { state: "failed", reason: "Xvfb is not installed." } }),
      );
    },
  },
  expired: { query: "?refuse", after: page => page.getByLabel("Token").waitFor() },
};

const views = [
  { name: "desktop", viewport: { width: 1280, height: 800 } },
  {
    name: "phone",
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
    deviceScaleFactor: 2,
  },
];
let complaints = 0;
for (const { name, ...size } of views) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ ...size, colorScheme });
    await context.addInitScript({ path: join(here, "fake-room.js") });
    for (const [state, look] of Object.entries(states)) {
      const { query = "", after, phone, scene, chosen, path, admin } = look;
      const wanted =
        !only || only === state || (only.endsWith("*") && state.startsWith(only.slice(0, -1)));
      if (!wanted || (phone && name !== "phone")) continue;
      setScene(scene ?? "off");
      setAdminScene(admin ?? "usual");
      const page = await context.newPage();
      await page.addInitScript(chosen => {
        if (chosen) localStorage.setItem("tandem.session.main", chosen);
        else localStorage.removeItem("tandem.session.main");
        localStorage.removeItem("tandem.panel");
      }, chosen ?? null);
      page.on("console", message => {
        const text = message.text();
        if (
          message.type() !== "error" ||
          /400|401|403|409|503|ERR_FAILED|ERR_EMPTY_RESPONSE/.test(text)
        )
          return;
        complaints += 1;
        console.log(`${name} ${colorScheme} ${state}: ${text}`);
      });
      page.on("pageerror", error => {
        complaints += 1;
        console.log(`${name} ${colorScheme} ${state}: ${error.stack}`);
      });
      await page.goto(`${origin}${path ?? `/rooms/main${query}`}`);
      try {
        await (after?.(page) ?? page.waitForTimeout(300));
        await page.waitForTimeout(200);
      } catch (error) {
        complaints += 1;
        console.log(`${name} ${colorScheme} ${state}: ${error.message}`);
      }
      await page.screenshot({
        path: join(out, `${state}-${name}-${colorScheme}.png`),
        fullPage: path !== undefined,
      });
      const { violations } = await new AxeBuilder({ page }).analyze();
      for (const { impact, id, nodes } of violations) {
        complaints += 1;
        console.log(`${name} ${colorScheme} ${state}: ${impact} ${id}: ${nodes[0]?.html}`);
      }
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
server.close();
console.log(`${complaints} complaints; pictures in ${out}`);
process.exitCode = complaints > 0 ? 1 : 0;
