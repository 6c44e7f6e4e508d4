/**
 * A room in somebody else's page: the examples, from another site than the
 * server's, with third-party cookies off, in a real browser.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { AxeBuilder } from "@axe-core/playwright";
import type { Frame, Page } from "@playwright/test";
import type { TandemFrame } from "../embed/src/frame.ts";
import { dashboard } from "../examples/server.mjs";
import { look } from "./support/admin.ts";
import { Agent } from "./support/agent.ts";
import { expect, test as withTandem } from "./support/fixture.ts";
import { ADMIN_TOKEN, type Tandem } from "./support/server.ts";
import { BLUE, expectColour, GREEN, place, RED, videoSize, YELLOW } from "./support/viewer.ts";

const asRoot = process.getuid?.() === 0;

/** What the examples leave on their window. */
interface Outer {
  room: TandemFrame;
  said: unknown[];
}
interface Failed {
  code: string;
  message: string;
}

interface Dash {
  origin: string;
  page(path: string, query?: string): string;
}

/** A page of a site that nobody gave a token to. */
interface Evil {
  origin: string;
  show(html: string): string;
}

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>(ready => server.listen(0, "127.0.0.1", ready));
  return (server.address() as AddressInfo).port;
};
const close = (server: Server) => {
  server.closeAllConnections();
  return new Promise(closed => server.close(closed));
};

const test = withTandem.extend<{ dash: Dash; evil: Evil; clean: undefined }>({
  dash: async ({ tandem }, use) => {
    const settings = { tandem: tandem.origin, admin: ADMIN_TOKEN, origin: "" };
    const server = dashboard(settings);
    settings.origin = `http://dash.example:${await listen(server)}`;
    const { origin } = settings;
    await use({ origin, page: (path, query = "") => `${origin}/${path}/${query}` });
    await close(server);
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures.
  evil: async ({}, use) => {
    let shown = "";
    const server = createServer((_, response) => {
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(shown);
    });
    const origin = `http://evil.example:${await listen(server)}`;
    await use({
      origin,
      show: html => {
        shown = `<!doctype html><meta charset="utf-8">${html}`;
        return `${origin}/`;
      },
    });
    await close(server);
  },
  /** After each test: no cookie was needed, and no token was written down. */
  clean: [
    async ({ context, tandem }, use) => {
      await use(undefined);
      expect(await context.cookies(tandem.origin), "no cookie").toEqual([]);
      expect(tandem.log, "no token in the log").not.toMatch(/tdm_/);
    },
    { auto: true },
  ],
});

test.use({
  launchOptions: {
    executablePath: process.env.TANDEM_E2E_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...(asRoot ? ["--no-sandbox"] : []),
      "--autoplay-policy=no-user-gesture-required",
      "--host-resolver-rules=MAP *.example 127.0.0.1",
      "--test-third-party-cookie-phaseout",
    ],
  },
});

interface Minted {
  id: string;
  token: string;
  url: string;
}

async function mint(tandem: Tandem, more: object): Promise<Minted> {
  const answer = await tandem.api("POST", "/api/rooms/main/tokens", { name: "Ada", ...more });
  expect(answer.status, await answer.clone().text()).toBe(201);
  return (await answer.json()) as Minted;
}

/** The frame of Tandem in a page, once it has its picture. */
async function frameOf(page: Page, tandem: Tandem): Promise<Frame> {
  await expect.poll(() => page.frames().some(f => f.url().startsWith(tandem.origin))).toBe(true);
  const frame = page.frames().find(each => each.url().startsWith(tandem.origin));
  if (!frame) throw new Error("no frame");
  return frame;
}
const asPage = (frame: Frame) => frame as unknown as Page;
const room = (page: Page) => page.locator("tandem-room");

test("plain HTML: one script tag shows the room, and a person acts in it", async ({
  page,
  tandem,
  dash,
  pages,
}) => {
  await page.goto(dash.page("plain", "?colour=%230f766e"));
  await expectColour(page, RED);
  await expect(page.locator("#state")).toHaveText("Live, as Ada");
  expect(await page.content(), "the token is in no document").not.toContain("tdm_");
  const at = await place(page, 900, 600);
  await page.mouse.click(at.x, at.y);
  await pages.until(report => report.kind === "press", "a press");
  await expectColour(page, BLUE);

  await page.getByRole("button", { name: "Take over" }).first().click();
  await expect(room(page).getByText("You have taken over")).toBeVisible();
  await expect(room(page).getByRole("button", { name: "Hand back" })).toBeVisible();
  const floor = async () =>
    (await (await tandem.api("GET", "/api/rooms/main/floor")).json()) as { takeover: unknown };
  expect((await floor()).takeover).toMatchObject({ name: "Ada", colour: "#0f766e" });
  await page.locator("#handback").click();
  await expect.poll(async () => (await floor()).takeover).toBeNull();
});

test("a frame does the same by messages, and keeps its token to itself", async ({
  page,
  tandem,
  dash,
  pages,
}) => {
  await page.goto(dash.page("iframe"));
  const frame = await frameOf(page, tandem);
  await expectColour(asPage(frame), RED);
  await expect(page.locator("#state")).toHaveText("Live, as Ada");
  const seen = await frame.evaluate(() => ({
    href: location.href,
    referrer: document.referrer,
    cookie: document.cookie,
    html: document.documentElement.outerHTML,
    // Third-party storage is off with the cookies: it works without any.
    stored: (() => {
      try {
        return JSON.stringify({ ...localStorage, ...sessionStorage });
      } catch (error) {
        return String(error);
      }
    })(),
  }));
  expect(JSON.stringify(seen)).not.toContain("tdm_");
  expect(seen.stored).toContain("SecurityError");

  const done = await page.evaluate(async second => {
    const { room } = window as unknown as Outer;
    const said: string[] = [];
    for (const event of ["floor", "navigated", "agent"] as const)
      room.on(event, () => said.push(event));
    const picture: Blob = await room.screenshot();
    await room.navigate(second);
    await room.setMode("turns");
    await room.takeover();
    await room.handBack("done");
    await room.setMode("together");
    await room.resize({ width: 801, height: 601 });
    const refused = await room.approve("nothing", "once").catch((e: Failed) => e.code);
    const wrong = await room.navigate("javascript:alert(1)").catch((e: Failed) => e.code);
    return {
      kind: picture.type,
      size: picture.size,
      said: [...new Set(said)].sort(),
      refused,
      wrong,
    };
  }, pages.second);
  expect(done).toMatchObject({ kind: "image/png", refused: "unknown", wrong: "malformed" });
  expect(done.size).toBeGreaterThan(500);
  expect(done.said).toEqual(["agent", "floor", "navigated"]);
  await expectColour(asPage(frame), YELLOW);
  await expect.poll(() => videoSize(asPage(frame))).toEqual([800, 600]);
});

for (const framework of ["react", "vue"]) {
  test(`${framework}: the npm package comes and goes with its component`, async ({
    page,
    dash,
    tandem,
  }) => {
    await page.goto(dash.page(framework));
    await expectColour(page, RED);
    await expect(page.locator("#state")).toHaveText("Live, as Ada");
    await page.locator("#toggle").click();
    await expect(room(page)).toHaveCount(0);
    const here = async () => {
      const view = await (await tandem.api("GET", "/api/rooms/main")).json();
      return (view as { present: unknown[] }).present.length;
    };
    await expect.poll(here, { message: "nobody is left in the room" }).toBe(0);
    await page.locator("#toggle").click();
    await expectColour(page, RED);
  });
}

test("a page that was given nothing is refused, by the browser and by the server", async ({
  page,
  tandem,
  dash,
  evil,
}) => {
  const { token } = await mint(tandem, { role: "controller", origin: dash.origin });
  const said: string[] = [];
  page.on("console", message => said.push(message.text()));
  await page.goto(evil.show(`<iframe src="${tandem.origin}/embed/main?token=${token}"></iframe>`));
  await expect.poll(() => said.join("\n")).toMatch(/frame-ancestors/);
  expect(page.frames()[1]?.url()).toMatch(/^chrome-error:/);

  await page.goto(
    evil.show(`<iframe src="${tandem.origin}/rooms/main?token=${ADMIN_TOKEN}"></iframe>`),
  );
  await expect.poll(() => page.frames()[1]?.url()).toMatch(/^chrome-error:/);
  await page.context().clearCookies();

  await page.goto(
    evil.show(`<script src="${tandem.origin}/embed.js"></script>
      <tandem-room src="${tandem.origin}" token="${token}" style="height:400px"></tandem-room>`),
  );
  await expect(page.getByText("This token is not for pages of this site.")).toBeVisible();
  expect(tandem.log).toMatch(/refused a token from a site that it is not for/);
  const read = await page.evaluate(
    async ([origin, token]) => {
      const asked = fetch(`${origin}/api/rooms/main`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return asked.then(answer => answer.text()).catch(error => String(error));
    },
    [tandem.origin, token] as const,
  );
  expect(read).toMatch(/TypeError/);

  // The site that it is for may ask the room's API, too.
  await page.goto(`${dash.origin}/nothing-here`);
  const may = await page.evaluate(
    async ([origin, token]) => {
      const headers = { authorization: `Bearer ${token}` };
      const view = await (await fetch(`${origin}/api/rooms/main`, { headers })).json();
      const rooms = await fetch(`${origin}/api/rooms`, { headers }).catch(() => "closed");
      return [view.id, rooms];
    },
    [tandem.origin, token] as const,
  );
  expect(may).toEqual(["main", "closed"]);
});

test("each token that opens nothing says so in one line, in page and log", async ({
  page,
  tandem,
  dash,
  evil: site,
}) => {
  const good = { role: "viewer", origin: site.origin };
  const expired = await mint(tandem, { ...good, expires_in_seconds: 1 });
  const revoked = await mint(tandem, good);
  await tandem.api("DELETE", `/api/rooms/main/tokens/${revoked.id}`);
  const once = await mint(tandem, { ...good, single_use: true });
  await page.goto(site.show(`<script src="${tandem.origin}/embed.js"></script><body></body>`));
  const show = (token: string, lang: string) =>
    page.evaluate(
      ([src, token, lang]) => {
        document.body.innerHTML = `<tandem-room lang="${lang}" src="${src}" token="${token}" style="height:300px"></tandem-room>`;
      },
      [tandem.origin, token, lang] as const,
    );
  for (const [token, words, german, reason] of [
    ["tdm_wrong", "This token is unknown here.", "nicht bekannt", "unknown here"],
    [expired.token, "This link has expired.", "abgelaufen", "token-expired"],
    [revoked.token, "This link was revoked.", "widerrufen", "token-revoked"],
  ] as const) {
    if (reason === "token-expired") {
      await expect
        .poll(async () => (await tandem.api("GET", "/api/rooms/main", undefined, token)).status)
        .toBe(401);
    }
    await show(token, "en");
    await expect(page.getByText(words)).toBeVisible();
    await show(token, "de");
    await expect(page.getByText(german)).toBeVisible();
    expect(tandem.log).toContain(reason);
  }
  await show(once.token, "en");
  await expectColour(page, RED);
  await show(once.token, "en");
  await expect(page.getByText("This token was used by another page.")).toBeVisible();
  expect(tandem.log).toContain("token-used");

  for (const [query, words] of [
    ["?token=tdm_wrong", "The token of this frame is unknown here."],
    ["?token=tdm_wrong&lang=de", "Das Token dieses Rahmens ist hier nicht bekannt."],
    ["", "This frame was opened without a token."],
  ]) {
    await page.goto(site.show(`<iframe src="${tandem.origin}/embed/main${query}"></iframe>`));
    await expect(page.frameLocator("iframe").getByText(words ?? "")).toBeVisible();
  }
  // A frame whose token is known but ended says so to the page around it, too.
  await page.goto(dash.page("iframe", "?seconds=1"));
  await expect(page.locator("#state")).toContainText(/Live|expired/);
});

test("a token is renewed and the picture never stops; without, the room says why it ends", async ({
  page,
  dash,
  tandem,
}) => {
  await page.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    let peers = 0;
    const Native = RTCPeerConnection;
    window.RTCPeerConnection = class extends Native {
      constructor(config?: RTCConfiguration) {
        super(config);
        peers += 1;
        seen.push(`peer ${peers}`);
      }
    };
  });
  await page.goto(dash.page("plain", "?seconds=9"));
  await expectColour(page, RED);
  await page.evaluate(() => {
    const { seen } = window as unknown as { seen: string[] };
    const room = document.querySelector("tandem-room");
    room?.addEventListener("state", event => seen.push((event as CustomEvent).detail.name));
    room?.addEventListener("token-expiring", () => seen.push("expiring"));
  });
  const seen = () => page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  await expect
    .poll(async () => (await seen()).filter(each => each === "expiring").length, {
      timeout: 40_000,
    })
    .toBeGreaterThanOrEqual(3);
  expect([...new Set(await seen())]).toEqual(["peer 1", "expiring"]);
  await expectColour(page, RED);

  // It can be taken up again with a fresh one after it has ended.
  const view = await mint(tandem, { role: "viewer", origin: dash.origin, expires_in_seconds: 3 });
  await page.evaluate(token => {
    const room = document.querySelector("tandem-room");
    const fresh = document.createElement("tandem-room") as HTMLElement & {
      token: string;
      src: string;
    };
    fresh.src = room?.getAttribute("src") ?? "";
    fresh.token = token;
    room?.replaceWith(fresh);
  }, view.token);
  await expect(page.getByText("This link has expired.")).toBeVisible();
  const next = await mint(tandem, { renews: view.id });
  await page.evaluate(token => {
    (document.querySelector("tandem-room") as unknown as { token: string }).token = token;
  }, next.token);
  await expectColour(page, RED);
});

test("a hostile parent and its other frames cannot break, fill or steer the room", async ({
  page,
  tandem,
  dash,
  evil,
}) => {
  await page.goto(dash.page("iframe"));
  const frame = await frameOf(page, tandem);
  await expectColour(asPage(frame), RED);
  const broken: string[] = [];
  page.on("pageerror", error => broken.push(String(error)));
  const answers = await page.evaluate(async origin => {
    const target = document.querySelector("iframe")?.contentWindow as Window;
    let heard = 0;
    const count = () => {
      heard += 1;
    };
    addEventListener("message", count);
    const cycle: { [key: string]: unknown; args: Record<string, unknown> } = {
      tandem: 1,
      type: "call",
      id: 1,
      method: "setOptions",
      args: {},
    };
    cycle.args.options = cycle;
    const deep: Record<string, unknown> = {};
    let at = deep;
    for (let i = 0; i < 500; i += 1) {
      const next: Record<string, unknown> = {};
      at.x = next;
      at = next;
    }
    const odd: unknown[] = [
      null,
      undefined,
      0,
      Number.NaN,
      "",
      "x".repeat(200_000),
      [],
      [[[]]],
      {},
      cycle,
      deep,
      new Map([["tandem", 1]]),
      new Date(),
      /x/,
      new ArrayBuffer(1 << 20),
      new Error("x"),
      10n ** 40n,
    ];
    let seed = 11;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    const pick = () => odd[random(odd.length)];
    const methods = [
      "navigate",
      "resize",
      "setOptions",
      "setToken",
      "approve",
      "answerHelp",
      "nope",
    ];
    for (let i = 0; i < 3000; i += 1) {
      const message =
        random(4) === 0
          ? pick()
          : {
              tandem: random(8) === 0 ? pick() : 1,
              type: random(6) === 0 ? pick() : "call",
              id: random(3) === 0 ? pick() : i,
              method: random(4) === 0 ? pick() : methods[random(methods.length)],
              args: random(2)
                ? { url: pick(), width: pick(), options: pick(), token: pick() }
                : pick(),
            };
      target.postMessage(message, origin);
      if (i % 500 === 0) await new Promise(next => setTimeout(next));
    }
    await new Promise(rest => setTimeout(rest, 1500));
    removeEventListener("message", count);
    return heard;
  }, tandem.origin);
  expect(answers, "answers are bounded").toBeLessThan(400);
  expect(answers).toBeGreaterThan(10);
  expect(broken).toEqual([]);

  // Another frame in the same page is not the page.
  await page.evaluate(
    src => {
      const frame = document.createElement("iframe");
      frame.src = src;
      document.body.append(frame);
    },
    evil.show(`<script>setInterval(() => {
      parent.frames[0].postMessage({tandem: 1, type: "call", id: 7, method: "takeover", args: {}}, "*");
    }, 50)</script>`),
  );
  await page.waitForTimeout(1000);
  const floor = await (await tandem.api("GET", "/api/rooms/main/floor")).json();
  expect((floor as { takeover: unknown }).takeover).toBeNull();
  // The room is as it was, and hears who asks well.
  await expectColour(asPage(frame), RED);
  await expect
    .poll(() =>
      page.evaluate(() =>
        (window as unknown as Outer).room.setMode("turns").then(
          () => "done",
          (e: Failed) => e.code,
        ),
      ),
    )
    .toBe("done");
});

test("the keyboard gets in, stays in and gets out; the page around keeps its scroll", async ({
  page,
  dash,
  pages,
  tandem,
}) => {
  await page.setViewportSize({ width: 1200, height: 600 });
  for (const path of ["plain", "iframe"]) {
    await page.goto(dash.page(path));
    const inside = path === "plain" ? page : asPage(await frameOf(page, tandem));
    // The press of the round before has turned it.
    await expectColour(inside, path === "plain" ? RED : BLUE);
    const scrolled = () => page.evaluate(() => Math.round(scrollY));
    const box = (await page.locator(".card.room").boundingBox()) ?? {
      x: 0,
      y: 0,
      width: 0,
      height: 0,
    };
    const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    await page.mouse.move(middle.x, middle.y);
    await page.mouse.wheel(0, 120);
    await expect.poll(scrolled, { message: `${path}: the page scrolls` }).toBeGreaterThan(50);
    await page.evaluate(() => scrollTo(0, 0));
    const wheels = () => pages.reports.filter(report => report.kind === "wheel").length;
    const before = wheels();
    const focused = () =>
      inside.evaluate(
        () => document.querySelector("tandem-room")?.shadowRoot?.activeElement?.tagName,
      );
    await page.mouse.click(middle.x, middle.y);
    // A frame has the focus a moment after the press.
    await expect.poll(focused).toBe("TEXTAREA");
    await page.mouse.wheel(0, 120);
    await expect.poll(wheels, { message: `${path}: now the room scrolls` }).toBeGreaterThan(before);
    expect(await scrolled()).toBe(0);

    // In by Tab, through the bar, and out again.
    await page.locator("#before").focus();
    await expect
      .poll(async () => {
        await page.keyboard.press("Tab");
        return focused();
      })
      .toBe("TEXTAREA");
    await expect(room(inside).getByText("Ctrl + Alt + . leaves the browser")).toBeVisible();
    const keys = () =>
      pages.reports.filter(report => report.kind === "key" && report.key === "Tab").length;
    const tabs = keys();
    await page.keyboard.press("Tab");
    await expect.poll(keys, { message: `${path}: Tab is the room's now` }).toBeGreaterThan(tabs);
    expect(await focused()).toBe("TEXTAREA");
    await page.keyboard.press("Control+Alt+Period");
    expect(await focused()).not.toBe("TEXTAREA");
    await expect
      .poll(async () => {
        await page.keyboard.press("Tab");
        return page.evaluate(() => document.activeElement?.id);
      })
      .toBe("takeover");
    await page.keyboard.press("Shift+Tab");
    await expect.poll(focused, { message: `${path}: and back in` }).toBe("TEXTAREA");
  }
});

test("it takes any size as it is dragged, and the room's display too when asked", async ({
  page,
  dash,
}) => {
  await page.goto(dash.page("plain"));
  await expectColour(page, RED);
  const drawn = () =>
    page.evaluate(() => {
      const inner = document.querySelector("tandem-room")?.shadowRoot?.querySelector(".picture");
      const { width, height } = inner?.getBoundingClientRect() ?? { width: 0, height: 0 };
      return [Math.round(width), Math.round(height)];
    });
  const size = (width: number, height: number) =>
    page.evaluate(
      ([width, height]) => {
        const room = document.querySelector("tandem-room") as HTMLElement;
        Object.assign(room.style, {
          aspectRatio: "auto",
          width: `${width}px`,
          height: `${height}px`,
        });
      },
      [width, height] as const,
    );
  await size(644, 404);
  await expect.poll(drawn).toEqual([640, 360]);
  await size(324, 224);
  await expect.poll(drawn).toEqual([320, 180]);
  await page.evaluate(() => document.querySelector("tandem-room")?.setAttribute("fit", "room"));
  await size(604, 444);
  await expect.poll(() => videoSize(page)).toEqual([600, 400]);
});

test("mounted and unmounted thirty times it leaves nothing behind", async ({
  page,
  dash,
  tandem,
}) => {
  await page.addInitScript(() => {
    const peers: RTCPeerConnection[] = [];
    const sockets: WebSocket[] = [];
    Object.assign(window, { peers, sockets });
    const Peer = RTCPeerConnection;
    window.RTCPeerConnection = class extends Peer {
      constructor(config?: RTCConfiguration) {
        super(config);
        peers.push(this);
      }
    };
    const Socket = WebSocket;
    window.WebSocket = class extends Socket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    };
  });
  await page.goto(dash.page("plain"));
  await expectColour(page, RED);
  const session = await page.context().newCDPSession(page);
  const counts = async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { metrics } = await session.send("Performance.getMetrics");
    const of = (name: string) => metrics.find(each => each.name === name)?.value ?? 0;
    return { nodes: of("Nodes"), listeners: of("JSEventListeners") };
  };
  await session.send("Performance.enable");
  const cycle = (times: number) =>
    page.evaluate(async times => {
      const src = document.querySelector("tandem-room")?.getAttribute("src") ?? "";
      const { token } = await (await fetch("../token")).json();
      for (let i = 0; i < times; i += 1) {
        document.querySelector("tandem-room")?.remove();
        const next = document.createElement("tandem-room") as HTMLElement & {
          src: string;
          token: string;
        };
        next.src = src;
        next.token = token;
        document.querySelector(".room")?.append(next);
        // Half of them go before they have seen anything.
        if (i % 2 === 0)
          await new Promise(live => next.addEventListener("ready", live, { once: true }));
      }
    }, times);
  await cycle(4);
  const before = await counts();
  await cycle(30);
  const after = await counts();
  await page.evaluate(() => document.querySelector("tandem-room")?.remove());
  await expect
    .poll(() =>
      page.evaluate(() => {
        const { peers, sockets } = window as unknown as {
          peers: RTCPeerConnection[];
          sockets: WebSocket[];
        };
        return {
          peers: peers.filter(peer => peer.connectionState !== "closed").length,
          sockets: sockets.filter(socket => socket.readyState !== WebSocket.CLOSED).length,
        };
      }),
    )
    .toEqual({ peers: 0, sockets: 0 });
  expect(after.listeners - before.listeners, JSON.stringify({ before, after })).toBeLessThan(60);
  expect(after.nodes - before.nodes, JSON.stringify({ before, after })).toBeLessThan(200);
  const gauge = async () =>
    /tandem_\w*(?:sockets|pages)\w* (\d+)/.exec(
      await (await tandem.api("GET", "/metrics")).text(),
    )?.[1];
  await expect.poll(gauge).toBe("0");
});

test("options are the same by attribute, address and call; it speaks German", async ({
  page,
  dash,
  tandem,
}) => {
  const query = new URLSearchParams({
    "o-lang": "de",
    "o-bar": "shown",
    "o-panel": "shown",
    "o-theme": "dark",
    "o---tandem-accent": "rgb(1, 2, 3)",
    "o-people": "all",
  });
  await page.goto(dash.page("iframe", `?${query}`));
  const frame = await frameOf(page, tandem);
  await expectColour(asPage(frame), RED);
  const inner = room(asPage(frame));
  await expect(inner.getByRole("button", { name: "Übernehmen" })).toBeVisible();
  await inner.getByRole("button", { name: "Raum", exact: true }).click();
  await expect(inner.getByText("Anwesend")).toBeVisible();
  const look = () =>
    frame.evaluate(() => {
      const element = document.querySelector("tandem-room") as HTMLElement;
      const main = element.shadowRoot?.querySelector(".bar .main") as HTMLElement;
      return [getComputedStyle(element).colorScheme, getComputedStyle(main).backgroundColor];
    });
  expect(await look()).toEqual(["dark", "rgb(1, 2, 3)"]);
  const set = (options: Record<string, string | null>) =>
    page.evaluate(
      options =>
        (window as unknown as Outer).room.setOptions(options).then(
          () => "done",
          (e: Failed) => e.message,
        ),
      options,
    );
  expect(await set({ bar: "hidden", panel: "hidden", theme: "light", lang: "en" })).toBe("done");
  await expect(inner.getByRole("toolbar")).toHaveCount(0);
  expect((await look())[0]).toBe("light");
  expect(await set({ bar: "sideways" })).toContain("bar is one of shown, hidden");
  expect(await set({ "--tandem-accent": "url(x)" })).toContain("colour of CSS");
  expect(await set({ onclick: "x" })).toContain("no option");
  expect(await set({ room: "other" })).toContain("stays in its room");
});

test("what an agent wants is a card in the person's language, and an event", async ({
  page,
  dash,
  tandem,
}) => {
  await page.goto(dash.page("iframe", "?o-lang=de"));
  const frame = await frameOf(page, tandem);
  await expectColour(asPage(frame), RED);
  await page.evaluate(() => {
    const said: unknown[] = [];
    Object.assign(window, { said });
    for (const event of ["help-requested", "agent"] as const) {
      (window as unknown as Outer).room.on(event, (detail: unknown) => said.push([event, detail]));
    }
  });
  const agent = await Agent.connect(tandem);
  const asked = agent.call("request_help", { reason: "Please solve the CAPTCHA", timeout: 50 });
  const card = room(asPage(frame)).getByRole("group", { name: "Atlas bittet um Hilfe" });
  await expect(card.getByText("Please solve the CAPTCHA")).toBeVisible();
  await card.getByRole("button", { name: "Ich mache das" }).click();
  const { violations } = await new AxeBuilder({ page }).include("#frame").analyze();
  const ours = violations.filter(found => found.nodes.some(node => node.target.length > 1));
  expect(ours.map(found => `${found.id}: ${found.nodes[0]?.html}`)).toEqual([]);
  await room(asPage(frame)).getByLabel("Ein Wort an Atlas").fill("It was a bicycle");
  await room(asPage(frame)).getByRole("button", { name: "Fertig" }).click();
  const answer = await asked;
  expect(answer.isError).toBe(false);
  expect(JSON.stringify(answer)).toContain("It was a bicycle");
  const said = JSON.stringify(await page.evaluate(() => (window as unknown as Outer).said));
  expect(said).toContain("Please solve the CAPTCHA");
  expect(said).toContain('"status":"joined"');
});

test("a person in a frame is alone with the page by one press, and the page around hears of it", async ({
  page,
  browser,
  dash,
  tandem,
}) => {
  await page.goto(dash.page("iframe"));
  const frame = await frameOf(page, tandem);
  await expectColour(asPage(frame), RED);
  const vic = await (await browser.newContext()).newPage();
  await vic.goto(tandem.page(await tandem.token("viewer", "Vic")));
  await expectColour(vic, RED);
  await page.evaluate(() => {
    const said: unknown[] = [];
    Object.assign(window, { said });
    (window as unknown as Outer).room.on("floor", detail => {
      const name = detail.private?.name ?? null;
      if (name !== (said.at(-1) ?? null)) said.push(name);
    });
  });
  const said = () => page.evaluate(() => (window as unknown as Outer).said);

  const inner = room(asPage(frame));
  const button = inner.getByRole("button", { name: "Private" });
  await expect(button).toHaveAttribute("aria-pressed", "false");
  await look(page, "embed-private-off");
  await button.click();
  await expect(button).toHaveAttribute("aria-pressed", "true");
  await expect(inner.getByText("You are in private")).toBeVisible();
  await expect(vic.getByText("Ada is typing something private")).toBeVisible();
  await expectColour(asPage(frame), RED);
  await expect.poll(said).toEqual(["Ada"]);
  const { violations } = await new AxeBuilder({ page }).include("#frame").analyze();
  const ours = violations.filter(found => found.nodes.some(node => node.target.length > 1));
  expect(ours.map(found => `${found.id}: ${found.nodes[0]?.html}`)).toEqual([]);
  await look(page, "embed-private-on");
  await button.press("Enter");
  await expectColour(vic, RED);
  await expect(button).toHaveAttribute("aria-pressed", "false");
  await expect.poll(said).toEqual(["Ada", null]);

  // The same from the page around it.
  const set = (on: boolean) =>
    page.evaluate(on => (window as unknown as Outer).room.setPrivate(on), on);
  expect(await set(true)).toBeNull();
  await expect(vic.getByText("Ada is typing something private")).toBeVisible();
  expect(await set(false)).toBeNull();
  await expectColour(vic, RED);
});

test("somebody who only watches may not act, whatever the page asks", async ({
  page,
  dash,
  tandem,
}) => {
  await page.goto(dash.page("iframe", "?role=viewer&name=Vera"));
  const frame = await frameOf(page, tandem);
  await expectColour(asPage(frame), RED);
  await expect(page.locator("#state")).toHaveText("Live, as Vera");
  const refused = await page.evaluate(async () => {
    const { room } = window as unknown as Outer;
    const of = (promise: Promise<unknown>) =>
      promise.then(
        () => "done",
        (e: Failed) => e.code,
      );
    return [
      await of(room.takeover()),
      await of(room.setMode("turns")),
      await of(room.setPrivate(true)),
      await of(room.screenshot()),
    ];
  });
  expect(refused.slice(0, 3)).not.toContain("done");
  expect(refused[3]).toBe("done");
  await expect(room(asPage(frame)).getByRole("button", { name: "Private" })).toHaveCount(0);
});

test("a question for a yes is answered by the page around it, or on its card", async ({
  page,
  dash,
  tandem,
}) => {
  const rules = { rules: [{ name: "look-first", effect: "ask", what: "browser_click" }] };
  expect((await tandem.api("PUT", "/api/rooms/main/rules", rules)).status).toBeLessThan(300);
  await page.goto(dash.page("iframe"));
  const frame = await frameOf(page, tandem);
  await expectColour(asPage(frame), RED);
  await page.evaluate(() => {
    const { room } = window as unknown as Outer;
    const said: unknown[] = [];
    Object.assign(window, { said });
    room.on("approval", detail => said.push(detail));
  });
  const said = () =>
    page.evaluate(() => (window as unknown as Outer).said as { status: string; id: string }[]);
  const agent = await Agent.connect(tandem);
  const first = agent.call("browser_click", { target: "button" });
  await expect.poll(async () => (await said()).at(-1)?.status).toBe("asked");
  expect((await said()).at(-1)).toMatchObject({ agent: { name: "Atlas" }, tool: "browser_click" });
  const id = (await said()).at(-1)?.id ?? "";
  await page.evaluate(id => (window as unknown as Outer).room.approve(id, "once"), id);
  expect((await first).isError).toBe(false);
  await expectColour(asPage(frame), GREEN);
  expect(await said()).toContainEqual({ status: "settled", id, how: "answered", answer: "once" });

  const second = agent.call("browser_click", { target: "button" });
  const card = room(asPage(frame)).getByRole("group", { name: "Atlas wants a yes" });
  await expect(card.getByText(/Click/)).toBeVisible();
  await expect
    .poll(async () => {
      if (await card.isVisible())
        await card.getByRole("button", { name: "No", exact: true }).click();
      return card.count();
    })
    .toBe(0);
  expect((await second).isError).toBe(true);
});

test("a finger that swipes over the picture scrolls the page; a tap gets in", async ({
  browser,
  dash,
}) => {
  const context = await browser.newContext({
    hasTouch: true,
    isMobile: true,
    viewport: { width: 390, height: 640 },
  });
  const page = await context.newPage();
  await page.goto(dash.page("plain"));
  await expectColour(page, RED);
  const box = await page.locator("tandem-room").boundingBox();
  const at = { x: (box?.x ?? 0) + 180, y: (box?.y ?? 0) + 150 };
  const session = await context.newCDPSession(page);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", y: number) =>
    session.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: type === "touchEnd" ? [] : [{ x: at.x, y }],
    });
  await touch("touchStart", at.y);
  for (let moved = 10; moved <= 120; moved += 10) await touch("touchMove", at.y - moved);
  await touch("touchEnd", at.y - 120);
  await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(50);
  const focused = () =>
    page.evaluate(() => document.querySelector("tandem-room")?.shadowRoot?.activeElement?.tagName);
  expect(await focused()).toBeUndefined();
  await page.evaluate(() => scrollTo(0, 0));
  await page.touchscreen.tap(at.x, at.y);
  await expect.poll(focused).toBe("TEXTAREA");
  await context.close();
});
