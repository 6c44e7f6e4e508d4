/** The main job, end to end: a real browser in the room, a real one watching. */

import { Agent } from "./support/agent.ts";
import { expect, test } from "./support/fixture.ts";
import { BLUE, expectColour, GREEN, place, RED, videoSize, YELLOW } from "./support/viewer.ts";

test("a viewer sees the page, and a click and typed words change it", async ({
  page,
  tandem,
  pages,
}) => {
  await page.goto(tandem.page());
  expect(page.url(), "the token has left the address").not.toContain("token");
  await expectColour(page, RED);
  expect(await videoSize(page)).toEqual([1280, 720]);

  const empty = await place(page, 900, 600);
  await page.mouse.click(empty.x, empty.y);
  await pages.until(report => report.kind === "press", "a press");
  await expectColour(page, BLUE);

  const loaded = await pages.until(report => report.kind === "loaded", "that it loaded");
  // The page begins below Chromium's own bars.
  const bars = 720 - Number(loaded.height);
  const field = await place(page, 200, bars + 60);
  await page.mouse.click(field.x, field.y);
  await page.keyboard.type("Hello, wörld");
  await pages.until(report => report.text === "Hello, wörld", "the words");

  await page.mouse.move(empty.x, empty.y);
  await page.mouse.wheel(0, 240);
  await pages.until(report => report.kind === "wheel" && Number(report.dy) > 0, "a scroll down");
});

test("text that no keyboard has arrives too", async ({ page, tandem, pages }) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const loaded = await pages.until(report => report.kind === "loaded", "that it loaded");
  const field = await place(page, 200, 720 - Number(loaded.height) + 60);
  await page.mouse.click(field.x, field.y);
  await page.keyboard.insertText("漢字 я ß 😀");
  await pages.until(report => report.text === "漢字 я ß 😀", "the text");
});

test("an agent changes the page and the viewer sees it and who did it", async ({
  page,
  tandem,
  pages,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem, "Atlas");
  const snapshot = await agent.call("browser_snapshot");
  expect(snapshot.text).toContain('button "Turn green"');
  const ref = /button "Turn green".*\[ref=(\w+)\]/.exec(snapshot.text)?.[1];
  const click = await agent.call("browser_click", { element: "the button", target: ref });
  expect(click.isError, click.text).toBe(false);
  await expectColour(page, GREEN);
  await expect(page.getByText("Atlas").first()).toBeVisible();

  const typed = await agent.call("browser_type", {
    target: 'getByRole("textbox")',
    text: "from Atlas",
  });
  expect(typed.isError, typed.text).toBe(false);
  await pages.until(report => report.text === "from Atlas", "the agent's words");

  await agent.call("browser_navigate", { url: pages.second });
  await expectColour(page, YELLOW);
  const shot = await agent.call("browser_take_screenshot");
  expect(shot.text).toContain("[image]");
});

test("a person's press makes the agent wait until the person is still", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem);
  const empty = await place(page, 900, 600);
  await page.mouse.click(empty.x, empty.y);
  const pressed = performance.now();
  const click = await agent.call("browser_click", { target: "button" });
  expect(click.isError, click.text).toBe(false);
  expect(performance.now() - pressed).toBeGreaterThan(1200);
  await expectColour(page, GREEN);
});

test("an agent asks for help and hears what the person says", async ({ page, tandem }) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem);
  const asked = agent.call("request_help", { reason: "Please solve the CAPTCHA", timeout: 50 });
  const card = page.getByRole("region", { name: "Requests for help" });
  await expect(card.getByText("asks for help")).toBeVisible();
  await expect(card.getByText("Please solve the CAPTCHA")).toBeVisible();
  await card.getByRole("button", { name: "I'll do it" }).click();
  await expect(card.getByText("You are helping")).toBeVisible();
  await card.getByRole("textbox").fill("Solved, it was traffic lights");
  await card.getByRole("button", { name: "Done" }).click();
  const answer = await asked;
  expect(answer.isError, answer.text).toBe(false);
  expect(answer.text).toContain("Solved, it was traffic lights");
  await expect(card.getByRole("group")).toHaveCount(0);
});

test("a page calls the agents' tools through its own connection", async ({
  page,
  tandem,
  pages,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const call = (tool: string, args: object) =>
    page.evaluate(
      ([tool, args]) => {
        const room = document.querySelector("tandem-room") as unknown as {
          call(tool: string, args: object): Promise<{ isError: boolean }>;
        };
        return room.call(tool, args);
      },
      [tool, args] as const,
    );
  expect((await call("browser_navigate", { url: pages.second })).isError).toBe(false);
  await expectColour(page, YELLOW);
  const wrong = await call("browser_clik", {});
  expect(wrong.isError).toBe(true);
  expect(JSON.stringify(wrong)).toContain("browser_click");
});

test("two viewers see the same; the one who may only watch cannot act", async ({
  browser,
  tandem,
  pages,
}) => {
  const [acting, watching] = await Promise.all([browser.newPage(), browser.newPage()]);
  await acting.goto(tandem.page(await tandem.token("controller", "Ada")));
  const separate = await browser.newContext();
  const guest = await separate.newPage();
  await guest.goto(tandem.page(await tandem.token("viewer", "Vera")));
  await Promise.all([expectColour(acting, RED), expectColour(guest, RED)]);

  const spot = await place(guest, 900, 600);
  await guest.mouse.click(spot.x, spot.y);
  const own = await place(acting, 900, 620);
  await acting.mouse.click(own.x, own.y);
  await Promise.all([expectColour(acting, BLUE), expectColour(guest, BLUE)]);
  const presses = pages.reports.filter(report => report.kind === "press");
  expect(presses, "only the controller's press arrived").toHaveLength(1);
  await separate.close();
  await watching.close();
  await acting.close();
});

test("a viewer that takes only VP8 sees the picture", async ({ page, tandem }) => {
  await page.goto(tandem.page(undefined, "&codecs=vp8"));
  await expectColour(page, RED);
});

test("a standard player sees the picture by WHEP", async ({ page, tandem }) => {
  await page.goto(`${tandem.origin}/api/health`);
  const token = await tandem.token("viewer", "Player");
  const size = await page.evaluate(async token => {
    const peer = new RTCPeerConnection();
    peer.addTransceiver("video", { direction: "recvonly" });
    const video = document.createElement("video");
    video.muted = true;
    peer.ontrack = event => {
      video.srcObject = new MediaStream([event.track]);
      video.play();
    };
    await peer.setLocalDescription();
    const answer = await fetch("/api/rooms/main/whep", {
      method: "POST",
      headers: { "content-type": "application/sdp", authorization: `Bearer ${token}` },
      body: peer.localDescription?.sdp ?? "",
    });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    await new Promise(shown => video.requestVideoFrameCallback(shown));
    const location = answer.headers.get("location") ?? "";
    const gone = await fetch(location, {
      method: "DELETE",
      headers: { authorization: `Bearer ${token}` },
    });
    return [video.videoWidth, video.videoHeight, gone.status];
  }, token);
  expect(size[0]).toBe(1280);
  expect(size[1]).toBe(720);
  expect(size[2]).toBeLessThan(300);
});

test("the picture follows the viewer's window on request", async ({ page, tandem, pages }) => {
  await page.setViewportSize({ width: 1000, height: 640 });
  await page.goto(tandem.page());
  await expectColour(page, RED);
  await page.getByRole("button", { name: /match my window/i }).click();
  await expect.poll(async () => (await videoSize(page))[0]).toBeLessThan(1002);
  await pages.until(
    report => report.kind === "resized" && Number(report.width) < 1002,
    "its new size",
  );
  await expectColour(page, RED);
});

test("Chromium killed comes back with its tabs, and the viewer is told meanwhile", async ({
  page,
  tandem,
  pages,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem);
  await agent.call("browser_navigate", { url: pages.second });
  await agent.call("browser_tabs", { action: "new", url: pages.colour });
  await expectColour(page, RED);
  const before = pages.reports.length;

  const victims = (await tandem.processes()).filter(line => line.endsWith("chromium"));
  expect(victims.length).toBeGreaterThan(0);
  for (const line of victims) {
    try {
      process.kill(Number(line.split(" ")[0]), "SIGKILL");
    } catch {
      // It fell with its parent.
    }
  }
  await expect(page.getByText(/browser/i).first()).toBeVisible();
  const again = (kind: string) =>
    expect.poll(() => pages.reports.slice(before).some(report => report.kind === kind), {
      timeout: 20_000,
    });
  await again("loaded").toBe(true);
  await again("second").toBe(true);
  await expectColour(page, RED);
  const tabs = await agent.call("browser_tabs", { action: "list" });
  expect(tabs.text).toContain(pages.second);
});

test("the server killed and started again: the page comes back by itself and nothing is left over", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const old = await tandem.processes();
  expect(old.length).toBeGreaterThan(0);
  await tandem.end("SIGKILL");
  await expect(page.getByText(/trying again|connection lost|reconnect/i).first()).toBeVisible();
  await tandem.launch();
  await expectColour(page, RED, 30_000);
  const now = await tandem.processes();
  expect(
    old.filter(line => now.includes(line)),
    "the old ones are gone",
  ).toEqual([]);
});

test("SIGTERM drains within five seconds and leaves nothing", async ({ page, tandem }) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  expect(await tandem.end("SIGTERM")).toBeLessThan(5000);
  expect(await tandem.processes()).toEqual([]);
});

test("another room has its own browser and goes when it is removed", async ({
  page,
  tandem,
  pages,
}) => {
  const made = await tandem.api("POST", "/api/rooms", {
    id: "second",
    size: { width: 800, height: 600 },
    start_url: pages.second,
  });
  expect(made.status, await made.clone().text()).toBe(201);
  await page.goto(`${tandem.origin}/rooms/second?token=tdm_e2e-admin-0123456789abcdef0123456789`);
  await expectColour(page, YELLOW);
  expect(await videoSize(page)).toEqual([800, 600]);
  expect((await tandem.api("DELETE", "/api/rooms/second")).status).toBeLessThan(300);
  expect((await tandem.api("GET", "/api/rooms/second")).status).toBe(404);
});

test("rubbish at the doors is refused and the room lives", async ({ page, tandem }) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  expect((await tandem.api("GET", "/api/rooms", undefined, null)).status).toBe(401);
  expect((await tandem.api("GET", "/api/rooms", undefined, "tdm_wrong")).status).toBe(401);
  expect((await tandem.api("POST", "/api/rooms", { id: "../x" })).status).toBeGreaterThanOrEqual(
    400,
  );
  const size = await tandem.api("POST", "/api/rooms", {
    id: "big",
    size: { width: 99999, height: 1 },
  });
  expect(size.status).toBeGreaterThanOrEqual(400);
  expect(size.status).toBeLessThan(500);
  const foreign = await fetch(`${tandem.origin}/api/rooms`, {
    method: "POST",
    headers: {
      authorization: "Bearer tdm_e2e-admin-0123456789abcdef0123456789",
      origin: "http://evil.example",
      "content-type": "application/json",
    },
    body: "{}",
  });
  expect(foreign.status).toBe(403);
  const replies = await page.evaluate(async () => {
    const socket = new WebSocket(`ws://${location.host}/api/rooms/main/ws`);
    const said: string[] = [];
    await new Promise(opened => socket.addEventListener("open", opened));
    const answered = new Promise<void>(done => {
      socket.addEventListener("message", event => {
        const message = JSON.parse(event.data);
        if (message.type === "error") said.push(message.code);
        if (said.length === 3) done();
      });
    });
    socket.send("{");
    socket.send(JSON.stringify({ type: "offer", sdp: "v=0 rubbish" }));
    socket.send(JSON.stringify({ type: "fit", width: 1e9, height: -1 }));
    await answered;
    socket.close();
    return said;
  });
  expect(replies).toHaveLength(3);
  await expectColour(page, RED);
});
