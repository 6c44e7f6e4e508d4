/**
 * Takes pictures of the built client in all its states, with a room that is
 * only in the page: `npm run build && npm run look [folder]`.
 */
import { createReadStream, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { chromium } from "@playwright/test";

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
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const server = createServer((request, response) => {
  const path = new URL(request.url, "http://x").pathname;
  if (path.startsWith("/api/")) {
    response.writeHead(401).end();
    return;
  }
  const asset = join(dist, path);
  const file = path.startsWith("/assets/") && existsSync(asset) ? asset : join(dist, "index.html");
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-security-policy": POLICY,
  });
  createReadStream(file).pipe(response);
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

const states = {
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
    for (const [state, { query = "", after, phone }] of Object.entries(states)) {
      if ((only && only !== state) || (phone && name !== "phone")) continue;
      const page = await context.newPage();
      page.on("console", message => {
        const text = message.text();
        if (message.type() !== "error" || /401|ERR_FAILED/.test(text)) return;
        complaints += 1;
        console.log(`${name} ${colorScheme} ${state}: ${text}`);
      });
      page.on("pageerror", error => {
        complaints += 1;
        console.log(`${name} ${colorScheme} ${state}: ${error.stack}`);
      });
      await page.goto(`${origin}/rooms/main${query}`);
      try {
        await (after?.(page) ?? page.waitForTimeout(300));
        await page.waitForTimeout(200);
      } catch (error) {
        complaints += 1;
        console.log(`${name} ${colorScheme} ${state}: ${error.message}`);
      }
      await page.screenshot({ path: join(out, `${state}-${name}-${colorScheme}.png`) });
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
server.close();
console.log(`${complaints} complaints; pictures in ${out}`);
process.exitCode = complaints > 0 ? 1 : 0;
