/**
 * Numbers of the panel, printed as JSON: what the first load weighs, how long
 * an update takes from the server's write to the pixels, and how ten thousand
 * messages scroll. `npm run build && node dev/bench-panel.mjs`
 *
 * With the address of a real room in TANDEM_BENCH_ROOM, whose agent has the
 * scripted model: how long a word takes from there to the pixels.
 */
import { createReadStream, existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "@playwright/test";
import { answer, made, setScene, tell } from "./fake-sessions.mjs";

const here = import.meta.dirname;
const dist = join(here, "..", "dist");
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const SAMPLES = 200;
const FRAMES = 600;

const sorted = values => [...values].sort((a, b) => a - b);
const at = (values, part) =>
  values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0;
const round = value => Math.round(value * 10) / 10;

const weigh = names =>
  names.reduce((sum, name) => sum + gzipSync(readFileSync(join(dist, name))).length, 0);
const assets = readdirSync(join(dist, "assets")).map(name => `assets/${name}`);
const lazy = assets.filter(name => /\/(panels|palette)-/.test(name));

const server = createServer((request, response) => {
  const path = new URL(request.url, "http://x").pathname;
  if (answer(request, response)) return;
  if (path.startsWith("/api/")) {
    response.writeHead(401).end();
    return;
  }
  const asset = join(dist, path);
  const file = path.startsWith("/assets/") && existsSync(asset) ? asset : join(dist, "index.html");
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
  // As the server does: the page is told where its assets are.
  if (file.endsWith(".html")) response.end(readFileSync(file, "utf8").replaceAll('="./', '="/'));
  else createReadStream(file).pipe(response);
});
await new Promise(done => server.listen(0, "127.0.0.1", done));
const browser = await chromium.launch({
  executablePath: process.env.TANDEM_E2E_CHROMIUM ?? "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const open = async scene => {
  setScene(scene);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.addInitScript({ path: join(here, "fake-room.js") });
  await page.addInitScript(() => localStorage.setItem("tandem.session.main", "ses_orders"));
  await page.goto(`http://127.0.0.1:${server.address().port}/rooms/main?no-picture`);
  await page.locator(".message").first().waitFor({ timeout: 120_000 });
  return page;
};

/** From the write of a piece to the first frame after it is in the document. */
async function eventToPixels() {
  const page = await open("talk");
  const head = { id: "msg_zzz", role: "agent", error: null, created: Date.now(), done: false };
  tell({ type: "message", session: "ses_orders", message: head });
  const part = { ...made.text("", false), id: "prt_zzz" };
  const about = { session: "ses_orders", message: head.id };
  tell({ type: "part", ...about, part });
  tell({ type: "piece", ...about, part: part.id, text: "Start. " });
  await page.getByText("Start.").waitFor();
  await page.evaluate(() => {
    window.shown = [];
    const seen = new Set();
    new MutationObserver(() => {
      const text = document.querySelector(".message:last-child .markdown")?.textContent ?? "";
      const fresh = [...text.matchAll(/mark(\d+)\./g)].map(found => Number(found[1]));
      const news = fresh.filter(mark => !seen.has(mark));
      for (const mark of news) seen.add(mark);
      if (news.length === 0) return;
      // It is changed within an animation frame: the next task runs when that frame is drawn.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        const now = performance.timeOrigin + performance.now();
        for (const mark of news) window.shown.push([mark, now]);
      };
      port2.postMessage(null);
    }).observe(document.querySelector(".transcript"), {
      subtree: true,
      childList: true,
      characterData: true,
    });
  });
  const told = [];
  for (let mark = 0; mark < SAMPLES; mark += 1) {
    told.push(performance.timeOrigin + performance.now());
    tell({ type: "piece", ...about, part: part.id, text: `mark${mark}. ` });
    await new Promise(done => setTimeout(done, 23 + (mark % 7)));
  }
  await page.waitForFunction(many => window.shown.length === many, SAMPLES);
  const shown = await page.evaluate(() => window.shown);
  await page.close();
  const took = sorted(shown.map(([mark, when]) => when - told[mark]));
  return { p50_ms: round(at(took, 0.5)), p95_ms: round(at(took, 0.95)), samples: took.length };
}

/** Scrolled from the end upwards by so much each frame, and then thrown to and fro. */
async function manyMessages() {
  const start = performance.now();
  const page = await open("many");
  const opened = performance.now() - start;
  const frames = await page.evaluate(
    frames =>
      new Promise(done => {
        const list = document.querySelector(".transcript");
        const gaps = [];
        let before = performance.now();
        let n = 0;
        const step = now => {
          gaps.push(now - before);
          before = now;
          n += 1;
          list.scrollTop -= 60;
          if (n < frames) requestAnimationFrame(step);
          else done(gaps.slice(2));
        };
        requestAnimationFrame(step);
      }),
    FRAMES,
  );
  const drawn = await page.evaluate(() => document.querySelectorAll(".message").length);
  const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  await page.close();
  const gaps = sorted(frames);
  return {
    messages: 10_000,
    opened_ms: Math.round(opened),
    drawn,
    nodes,
    frame_p50_ms: round(at(gaps, 0.5)),
    frame_p95_ms: round(at(gaps, 0.95)),
    frame_p99_ms: round(at(gaps, 0.99)),
    within_17_ms: round((gaps.filter(gap => gap <= 17.5).length / gaps.length) * 100) / 100,
  };
}

/** Notes when each word with a time in it was told to the page, and when it was drawn. Runs in the page. */
function watchStamps() {
  const now = () => performance.timeOrigin + performance.now();
  const stamps = text => [...text.matchAll(/\b(\d{13}\.\d\d)(?= )/g)].map(found => found[1]);
  window.drawn = new Map();
  window.told = new Map();
  let words = "";
  document.querySelector("tandem-room").addEventListener("session", ({ detail: { update } }) => {
    const text = update.type === "piece" ? update.text : update.part?.text;
    if (typeof text !== "string") return;
    // A word may come in two pieces; it is told when it is whole.
    words = update.type === "piece" ? words + text : text;
    for (const stamp of stamps(words)) if (!window.told.has(stamp)) window.told.set(stamp, now());
  });
  new MutationObserver(() => {
    const said = document.querySelector(".message.agent:last-of-type .markdown")?.textContent ?? "";
    const news = stamps(`${said} `).filter(stamp => !window.drawn.has(stamp));
    if (news.length === 0) return;
    for (const stamp of news) window.drawn.set(stamp, null);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      for (const stamp of news) window.drawn.set(stamp, now());
    };
    port2.postMessage(null);
  }).observe(document.querySelector(".panel"), {
    subtree: true,
    childList: true,
    characterData: true,
  });
}

/** From the event with a word of the model's to the first frame with it; and from the model's write of it, through OpenCode and the server. */
async function throughOpenCode(room) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(room);
  const field = page.getByLabel("Message to the agent");
  const say = async words => {
    await field.fill(words);
    await field.press("Enter");
  };
  const stop = page.getByRole("button", { name: "Stop the agent" });
  // The first start makes OpenCode's database, and is none of what is measured.
  await say("say ready");
  const answer = page.locator(".message.agent .markdown", { hasText: "ready" });
  const why = page.locator(".intro .why");
  await answer.or(why).first().waitFor({ timeout: 180_000 });
  if (await why.isVisible()) throw new Error(await why.innerText());
  await stop.waitFor({ state: "detached" });
  await page.evaluate(watchStamps);
  await say(`stamp ${SAMPLES} 29`);
  await page.waitForFunction(
    many => [...window.drawn.values()].filter(Boolean).length >= many,
    SAMPLES - 1,
    { timeout: 120_000 },
  );
  const [drawn, told] = await page.evaluate(() => [[...window.drawn], [...window.told]]);
  await page.close();
  const toldAt = new Map(told);
  const shown = drawn.filter(([stamp, when]) => when !== null && toldAt.has(stamp));
  const pixels = sorted(shown.map(([stamp, when]) => when - toldAt.get(stamp)));
  const whole = sorted(shown.map(([stamp, when]) => when - Number(stamp)));
  return {
    p50_ms: round(at(pixels, 0.5)),
    p95_ms: round(at(pixels, 0.95)),
    from_model_p50_ms: round(at(whole, 0.5)),
    from_model_p95_ms: round(at(whole, 0.95)),
    samples: shown.length,
  };
}

const room = process.env.TANDEM_BENCH_ROOM;
const numbers = room
  ? { through_opencode: await throughOpenCode(room) }
  : {
      first_load_gzip_bytes: {
        with_panel: weigh(["index.html", ...assets.filter(name => !/palette/.test(name))]),
        without_panel: weigh(["index.html", ...assets.filter(name => !lazy.includes(name))]),
        everything: weigh(["index.html", ...assets]),
      },
      event_to_pixels: await eventToPixels(),
      ten_thousand: await manyMessages(),
    };
console.log(JSON.stringify(numbers, null, 2));
await browser.close();
server.close();
server.closeAllConnections();
