/** Who may act, as people see and change it: takeover, turns, approvals and the record of it all. */

import type { Browser, Page } from "@playwright/test";
import { Agent } from "./support/agent.ts";
import { expect, test } from "./support/fixture.ts";
import type { Tandem } from "./support/server.ts";
import { BLUE, expectColour, GREEN, place, RED } from "./support/viewer.ts";

const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name });
const card = (page: Page) => page.getByRole("alertdialog");

/** Somebody's own page, with the role controller. */
async function enter(browser: Browser, tandem: Tandem, name: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(tandem.page(await tandem.token("controller", name)));
  await expectColour(page, RED);
  return page;
}

async function press(page: Page): Promise<void> {
  const empty = await place(page, 900, 600);
  await page.mouse.click(empty.x, empty.y);
}

/** Who asks for what: pressing the page's one button, as an agent. */
const click = (agent: Agent) => agent.call("browser_click", { target: "button" });

async function askBeforeClicks(tandem: Tandem): Promise<void> {
  const rules = { rules: [{ name: "look-first", effect: "ask", what: "browser_click" }] };
  const answer = await tandem.api("PUT", "/api/rooms/main/rules", rules);
  expect(answer.status, await answer.clone().text()).toBe(200);
}

test("a takeover by the button refuses the agent, which goes on after the hand-back and hears the note", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page(await tandem.token("controller", "Ada")));
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem);
  await agent.call("browser_snapshot");
  await button(page, "Take over").click();
  await expect(page.getByText("You have taken over")).toBeVisible();
  const refused = await click(agent);
  expect(refused.isError, refused.text).toBe(true);
  expect(refused.text).toContain("Ada");
  await page.getByLabel(/^Tell the agents/).fill("Signed in, please go on");
  await page.keyboard.press("Enter");
  await expect(button(page, "Take over")).toBeVisible();
  const told = await agent.call("what_changed");
  expect(told.text).toContain("Signed in, please go on");
  const done = await click(agent);
  expect(done.isError, done.text).toBe(false);
  await expectColour(page, GREEN);
});

test("the chord takes over and hands back while the picture has the keyboard, and does not reach the page", async ({
  page,
  tandem,
  pages,
}) => {
  await page.goto(tandem.page(await tandem.token("controller", "Ada")));
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem);
  await press(page);
  await expectColour(page, BLUE);
  await page.keyboard.press("Control+Period");
  await expect(page.getByText("You have taken over")).toBeVisible();
  expect((await click(agent)).isError).toBe(true);
  // Typing goes on where it was.
  await page.keyboard.press("x");
  await pages.until(report => report.kind === "key" && report.key === "x", "the key");
  await page.keyboard.press("Control+Period");
  await expect(button(page, "Take over")).toBeVisible();
  expect((await click(agent)).isError).toBe(false);
  await expectColour(page, GREEN);
  expect(pages.reports.filter(report => report.key === ".")).toEqual([]);
});

test("somebody else's takeover is told at the moment one tries, once, and an admin may take it", async ({
  browser,
  page,
  tandem,
  pages,
}) => {
  const ada = await enter(browser, tandem, "Ada");
  const bo = await enter(browser, tandem, "Bo");
  await button(ada, "Take over").click();
  await expect(bo.getByText("Ada has taken over")).toBeVisible();
  await expect(button(bo, "Take over")).toHaveCount(0);
  await press(bo);
  await bo.keyboard.type("abc");
  const notice = bo.getByRole("alert").filter({ hasText: "Ada has taken over." });
  await expect(notice).toHaveCount(1);
  expect(pages.reports.filter(report => report.kind === "press")).toEqual([]);

  await page.goto(tandem.page());
  await expectColour(page, RED);
  await button(page, "Take over").click();
  await expect(page.getByText("You have taken over")).toBeVisible();
  await expect(ada.getByText(/has taken over/).first()).toBeVisible();
  await button(page, "Hand back").click();
  await expect(notice).toHaveCount(0);
  await press(bo);
  await expectColour(bo, BLUE);
  await ada.context().close();
  await bo.context().close();
});

test("in turns one asks and the other gives", async ({ browser, tandem, pages }) => {
  const ada = await enter(browser, tandem, "Ada");
  const bo = await enter(browser, tandem, "Bo");
  await button(ada, /Who may act/).click();
  await button(ada, /^Turns/)
    .last()
    .click();
  await expect(ada.getByText("Nobody's turn")).toBeVisible();
  await press(ada);
  await expect(ada.getByText("Your turn")).toBeVisible();
  await expect(bo.getByText("Ada's turn").first()).toBeVisible();
  await expectColour(bo, BLUE);

  const before = pages.reports.filter(report => report.kind === "press").length;
  await press(bo);
  const notice = bo.getByRole("alert").filter({ hasText: "It is Ada's turn." });
  await notice.getByRole("button", { name: "Ask Ada" }).click();
  await expect(button(bo, "Stop asking")).toBeVisible();
  await expect(ada.getByText("Bo asks for a turn")).toBeVisible();
  expect(pages.reports.filter(report => report.kind === "press")).toHaveLength(before);
  await button(ada, "Give to Bo").click();
  await expect(bo.getByText("Your turn")).toBeVisible();
  await expect(ada.getByText("Bo's turn").first()).toBeVisible();
  await press(bo);
  await expectColour(ada, RED);
  await ada.context().close();
  await bo.context().close();
});

test("the frame has the colour of whoever acts, and none when nobody does", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const colour = () =>
    page.evaluate(() => {
      const frame = document.querySelector("tandem-room")?.shadowRoot?.querySelector(".frame");
      return frame ? getComputedStyle(frame).borderTopColor : "";
    });
  await expect.poll(colour).toBe("rgba(0, 0, 0, 0)");
  await button(page, "Take over").click();
  const own = await page
    .locator(".avatar.acting")
    .evaluate(part => getComputedStyle(part).backgroundColor);
  await expect.poll(colour).toBe(own);
  await button(page, "Hand back").click();
  await expect.poll(colour).toBe("rgba(0, 0, 0, 0)");
});

test("a question is answered from the page: yes once, and no with a word", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem);
  await askBeforeClicks(tandem);

  const denied = click(agent);
  await expect(card(page)).toContainText("Atlas wants a yes");
  await expect(card(page)).toContainText(/Click\s*Turn green\s*\(button\)/);
  await expect(card(page)).toContainText("look-first");
  // The safe answer has the focus, as nobody types.
  await expect(card(page).getByRole("button", { name: "Deny" })).toBeFocused();
  await card(page)
    .getByLabel(/^A word to Atlas/)
    .fill("Not the green one");
  await card(page).getByRole("button", { name: "Deny" }).click();
  const no = await denied;
  expect(no.isError, no.text).toBe(true);
  expect(no.text).toContain("Not the green one");
  await expect(card(page)).toHaveCount(0);

  const allowed = click(agent);
  await card(page).getByRole("button", { name: "Once" }).click();
  const yes = await allowed;
  expect(yes.isError, yes.text).toBe(false);
  await expectColour(page, GREEN);
  await expect(card(page)).toHaveCount(0);
});

test("whoever did not answer is told who did and what, a no too", async ({
  browser,
  page,
  tandem,
}) => {
  await page.goto(tandem.page(await tandem.token("controller", "Anna")));
  await expectColour(page, RED);
  const other = await enter(browser, tandem, "Bo");
  const agent = await Agent.connect(tandem);
  await askBeforeClicks(tandem);
  for (const [answer, told] of [
    ["Deny", "Anna said no"],
    ["Once", "Anna said yes, once"],
  ] as const) {
    const asked = click(agent);
    await expect(card(other)).toBeVisible();
    await expect(card(page).getByRole("button", { name: answer })).toBeEnabled();
    // Without a pause a card that has just come is not answered.
    await expect(card(page).getByRole("button", { name: "Once" })).toBeEnabled();
    await card(page).getByRole("button", { name: answer }).click();
    expect((await asked).isError).toBe(answer === "Deny");
    await expect(card(other)).toHaveCount(0);
    await expect(other.locator(".told")).toHaveText(told);
    await expect(page.locator(".told")).toHaveText("");
  }
  await other.context().close();
});

test("a question takes no keys from who types, the chord goes to it, and it covers nothing", async ({
  browser,
  page,
  tandem,
  pages,
}) => {
  await page.goto(tandem.page());
  await expectColour(page, RED);
  const other = await enter(browser, tandem, "Bo");
  const agent = await Agent.connect(tandem);
  await askBeforeClicks(tandem);
  await press(page);
  await expectColour(page, BLUE);
  const asked = click(agent);
  await expect(card(page)).toBeVisible();
  await expect(card(page).getByRole("button", { name: "Once" })).toBeEnabled();
  await page.keyboard.press("y");
  await pages.until(report => report.key === "y", "the key that was typed");
  const [over, picture] = await Promise.all([
    card(page).boundingBox(),
    page.locator("tandem-room").boundingBox(),
  ]);
  expect(over?.x ?? 0).toBeGreaterThanOrEqual((picture?.x ?? 0) + (picture?.width ?? 0));

  await page.keyboard.press("Control+Alt+Enter");
  await expect(card(page).getByRole("button", { name: "Deny" })).toBeFocused();
  await page.keyboard.press("Control+Alt+Enter");
  expect((await asked).isError).toBe(false);
  await expect(card(other)).toHaveCount(0);
  await expect(other.getByText("Admin said yes, once")).toBeVisible();
  await other.context().close();
});

test("the timeline tells who did what, newest first, also while it is open, and only what was refused when asked", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page(await tandem.token("controller", "Ada")));
  await expectColour(page, RED);
  const agent = await Agent.connect(tandem);
  expect((await click(agent)).isError).toBe(false);
  await button(page, "Timeline").click();
  const list = page.getByRole("log", { name: "What happened" });
  await expect(list.getByText(/^Click/).first()).toBeVisible();
  await expect(list.getByText("Came in").first()).toBeVisible();

  await button(page, "Take over").click();
  await expect(list.getByText("Took over")).toBeVisible();
  expect((await click(agent)).isError).toBe(true);
  await page.getByLabel(/^Tell the agents/).fill("Please go on");
  await button(page, "Hand back").click();
  await expect(list.getByText("Please go on")).toBeVisible();
  await expect(list.locator("h4").first()).toContainText("Ada");

  await page.getByLabel("Only refused").check();
  await expect(list.getByText("refused").first()).toBeVisible();
  await expect(list.getByText("Came in")).toHaveCount(0);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Export as JSON lines" }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/\.jsonl$/);
  await page.keyboard.press("Escape");
});
