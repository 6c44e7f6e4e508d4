/** What the interface around the picture promises: readable, usable by keys alone, and fit for a phone. */

import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { Agent } from "./support/agent.ts";
import { expect, test } from "./support/fixture.ts";
import { BLUE, expectColour, place, RED } from "./support/viewer.ts";

/** Everything in the room's own tree that has the focus, innermost. */
const focused = (page: Page) =>
  page.evaluate(() => {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    return active ? (active.getAttribute("aria-label") ?? active.textContent ?? "").trim() : "";
  });

const faults = async (page: Page) => {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(
    found => `${found.impact} ${found.id}: ${found.nodes.map(node => node.html).join(" | ")}`,
  );
};

const sideways = (page: Page) =>
  page.evaluate(() => {
    const wide = document.documentElement.scrollWidth - innerWidth;
    const beyond = [...document.querySelectorAll(".bar *, .menu *, .stats *, .thumb *, .side *")]
      .filter(part => !part.closest(".unseen") && part.getBoundingClientRect().width > 0)
      .filter(part => {
        const box = part.getBoundingClientRect();
        return box.left < -0.5 || box.right > innerWidth + 0.5;
      })
      .map(part => part.outerHTML.slice(0, 80));
    return { wide: Math.max(0, wide), beyond };
  });

/** Pairs of things in the bar that lie over each other. */
const collisions = (page: Page) =>
  page.evaluate(() => {
    const parts = [...document.querySelectorAll(".bar :is(.avatar, .pill, .waits, .tool, h1)")]
      .filter(part => !part.closest(".menu") && !part.classList.contains("unseen"))
      .map(part => ({
        name: part.textContent || part.ariaLabel,
        box: part.getBoundingClientRect(),
      }))
      .filter(({ box }) => box.width > 0);
    return parts.flatMap((one, at) =>
      parts
        .slice(at + 1)
        .filter(
          ({ box }) =>
            box.left < one.box.right - 0.5 &&
            one.box.left < box.right - 0.5 &&
            box.top < one.box.bottom - 0.5 &&
            one.box.top < box.bottom - 0.5,
        )
        .map(other => `${one.name} / ${other.name}`),
    );
  });

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing wrong with a live room and its numbers, ${colorScheme}`, async ({
    page,
    tandem,
  }) => {
    await page.emulateMedia({ colorScheme });
    await page.goto(tandem.page());
    await expectColour(page, RED);
    await Agent.connect(tandem, "Atlas");
    await expect(page.getByText("Atlas, an agent")).toBeAttached();
    const empty = await place(page, 900, 600);
    await page.mouse.click(empty.x, empty.y);
    await expect(page.getByText("You are acting")).toBeVisible();
    await page.getByRole("button", { name: "Statistics" }).click();
    expect(await faults(page)).toEqual([]);
  });
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing wrong with a takeover, the modes, a question and the timeline, ${colorScheme}`, async ({
    page,
    tandem,
  }) => {
    await page.emulateMedia({ colorScheme });
    await page.goto(tandem.page());
    await expectColour(page, RED);
    const agent = await Agent.connect(tandem, "Atlas");
    const rules = { rules: [{ name: "look-first", effect: "ask", what: "browser_click" }] };
    await tandem.api("PUT", "/api/rooms/main/rules", rules);
    const asked = agent.call("browser_click", { target: "button" });
    await expect(page.getByRole("alertdialog").getByRole("button", { name: "Once" })).toBeEnabled();
    await page.getByRole("button", { name: "Timeline" }).click();
    await page.getByRole("button", { name: /Who may act/ }).click();
    expect(await faults(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("alertdialog").getByRole("button", { name: "Deny" }).click();
    await asked;
    await page.getByRole("button", { name: "Take over" }).click();
    await expect(page.getByText("You have taken over")).toBeVisible();
    expect(await faults(page)).toEqual([]);
  });
}

test("axe finds nothing wrong when the way in is taken away, and nothing is shown of the room", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page(await tandem.token("viewer", "Vera")));
  await expectColour(page, RED);
  const tokens = (await (await tandem.api("GET", "/api/rooms/main/tokens")).json()) as {
    id: string;
    name: string;
  }[];
  const own = tokens.find(token => token.name === "Vera");
  await tandem.api("DELETE", `/api/rooms/main/tokens/${own?.id}`);
  await expect(page.getByLabel("Token")).toBeVisible();
  await expect(page.locator("tandem-room .picture")).toBeHidden();
  await expect(page.getByRole("list", { name: /^Here/ })).toHaveCount(0);
  expect(await faults(page)).toEqual([]);
});

test("the statistics show numbers, input to photon too", async ({ page, tandem }) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  await page.getByRole("button", { name: "Statistics" }).click();
  const empty = await place(page, 900, 600);
  for (const colour of [BLUE, RED, BLUE]) {
    await page.mouse.click(empty.x, empty.y);
    await expectColour(page, colour);
  }
  const stat = (name: string) => page.locator(`[data-stat="${name}"]`);
  await expect(stat("photon")).toHaveText(/^\d+ \/ \d+ ms$/);
  await expect(stat("rtt")).toHaveText(/^(<\s*)?\d+ ms$/);
  await expect(stat("resolution")).toHaveText("1280 × 720");
  await expect(stat("codec")).toHaveText(/^(H264|VP8)$/);
  await expect(stat("fps")).toHaveText(/^\d+ fps$/);
});

test("keys alone reach everything, and the chord leaves the picture", async ({
  page,
  tandem,
  pages,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const order: string[] = [];
  for (let at = 0; at < 12; at++) {
    await page.keyboard.press("Tab");
    const now = await focused(page);
    order.push(now);
    if (now.startsWith("The shared browser")) break;
  }
  expect(order.join(" > ")).toMatch(/Fit.*1:1.*Match my window.*Statistics.*The shared browser/);
  // In the picture Tab belongs to the room.
  await page.keyboard.press("Tab");
  await pages.until(report => report.kind === "key" && report.key === "Tab", "the Tab key");
  expect(await focused(page)).toMatch(/^The shared browser/);
  await page.keyboard.press("Control+Alt+Period");
  await expect.poll(() => focused(page)).toBe("Fit");
});

test("a change of who acts is told to who cannot see it", async ({ page, tandem }) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const empty = await place(page, 900, 600);
  await page.mouse.click(empty.x, empty.y);
  await expect(page.getByRole("status").filter({ hasText: "You are acting" })).toBeVisible();
  await tandem.end("SIGKILL");
  await expect(
    page.getByRole("status").filter({ hasText: "Connection lost, trying again." }),
  ).toBeVisible();
  await tandem.launch();
  await expectColour(page, RED, 30_000);
});

for (const [name, viewport] of Object.entries({
  upright: { width: 390, height: 844 },
  "on its side": { width: 844, height: 390 },
})) {
  test(`on a phone ${name} nothing runs out of the screen or over another`, async ({
    browser,
    tandem,
  }) => {
    const phone = await browser.newContext({
      viewport,
      isMobile: true,
      hasTouch: true,
      deviceScaleFactor: 2,
    });
    const page = await phone.newPage();
    await page.goto(tandem.page(await tandem.token("controller", "Ada")));
    await expectColour(page, RED);
    const agent = await Agent.connect(tandem, "Atlas");
    const empty = await place(page, 900, 600);
    await page.touchscreen.tap(empty.x, empty.y);
    const click = agent.call("browser_click", { target: "button" });
    await expect(page.getByText("Atlas is waiting")).toBeVisible();
    expect(await sideways(page)).toEqual({ wide: 0, beyond: [] });
    expect(await collisions(page)).toEqual([]);
    expect((await click).isError).toBe(false);

    // Under the thumb, and large enough for it.
    const take = page.getByRole("button", { name: "Take over" });
    const under = await take.boundingBox();
    expect(under?.height).toBeGreaterThanOrEqual(44);
    expect(under?.y).toBeGreaterThan(viewport.height * 0.7);
    await take.tap();
    await expect(page.getByRole("button", { name: "Hand back" })).toBeInViewport({ ratio: 1 });
    expect(await sideways(page)).toEqual({ wide: 0, beyond: [] });
    expect(await collisions(page)).toEqual([]);
    await page.getByRole("button", { name: "Hand back" }).tap();

    await page.getByRole("button", { name: "More" }).tap();
    await expect(page.getByRole("button", { name: "Statistics" })).toBeInViewport({ ratio: 1 });
    expect(await sideways(page)).toEqual({ wide: 0, beyond: [] });
    for (const button of await page.getByRole("button").all()) {
      const box = await button.boundingBox();
      expect(box?.height, await button.innerText()).toBeGreaterThanOrEqual(40);
    }
    await phone.close();
  });
}

test("the room's pointer is this page's cursor", async ({ page, tandem, pages }) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const loaded = await pages.until(report => report.kind === "loaded", "that it loaded");
  const bars = 720 - Number(loaded.height);
  const cursor = () =>
    page.evaluate(() => {
      const picture = document.querySelector("tandem-room")?.shadowRoot?.querySelector(".picture");
      return picture ? getComputedStyle(picture).cursor : "";
    });
  const empty = await place(page, 900, 600);
  await page.mouse.move(empty.x, empty.y);
  await expect.poll(cursor).toMatch(/^url\("data:image\/png/);
  const arrow = await cursor();
  const field = await place(page, 200, bars + 60);
  await page.mouse.move(field.x, field.y);
  await expect.poll(cursor).not.toBe(arrow);
});
