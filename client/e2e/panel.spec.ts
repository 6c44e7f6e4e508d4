/** The agent beside the picture: what is said, done, asked and answered, with the real OpenCode. */

import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { Agent } from "./support/agent.ts";
import {
  enter,
  expect,
  field,
  hears,
  PATIENCE,
  rests,
  say,
  test,
  transcript,
  words,
} from "./support/copilot.ts";
import { expectColour, place, YELLOW } from "./support/viewer.ts";

const bash = (command: string, description = "A command") =>
  `call bash ${JSON.stringify({ command, description })}`;
const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name });
/** The question above where one writes. */
const asked = (page: Page) => page.locator(".ask");
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
const faults = async (page: Page) => {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(
    found => `${found.impact} ${found.id}: ${found.nodes.map(node => node.html).join(" | ")}`,
  );
};

test("a prompt makes the agent use the room's browser after a yes, and its answer streams in", async ({
  page,
  tandem,
  pages,
}) => {
  const rules = { rules: [{ name: "look-first", effect: "ask", what: "browser_navigate" }] };
  const put = await tandem.api("PUT", "/api/rooms/main/rules", rules);
  expect(put.status, await put.clone().text()).toBe(200);
  await enter(page, tandem);
  const go = `call tandem_browser_navigate ${JSON.stringify({ url: pages.second })}`;
  await say(page, "think about the way");
  await hears(page, "So.");
  await expect(transcript(page).locator(".reasoning")).toContainText("Thought about it");
  await rests(page);
  await say(page, `${go}\nslow 12 20`);
  const card = page.getByRole("alertdialog");
  await expect(card).toContainText("Go to", { timeout: PATIENCE });
  await expect(transcript(page).locator(".call")).toContainText("Go to");
  await card.getByRole("button", { name: "Once" }).click();
  await expectColour(page, YELLOW);
  await hears(page, "word0 word1");
  await hears(page, "word11");
  await rests(page);
  await expect(transcript(page).locator(".call.done")).toHaveCount(1);

  // It is all there again after a reload, and the same.
  const before = await words(page);
  await page.reload();
  await hears(page, "word11");
  await expect.poll(() => words(page)).toBe(before);

  // The call and its line in the record lead to each other.
  await transcript(page).locator(".call summary").click();
  await button(page, "In the timeline").click();
  const line = page.locator(".timeline .sought");
  await expect(line).toBeVisible();
  await line.getByRole("button", { name: "In the conversation" }).click();
  await expect(page.locator(".timeline")).toHaveCount(0);
  await expect(transcript(page)).toBeVisible();
});

test("permissions are asked beside the transcript, and denied with and without a word", async ({
  page,
  tandem,
  project,
}) => {
  await enter(page, tandem);
  const file = join(project.dir, "made.txt");
  await say(page, `${bash(`echo yes > ${file}`, "Makes a file")}\nsay made`);
  await expect(asked(page)).toContainText(`echo yes > ${file}`, { timeout: PATIENCE });
  await expect(asked(page)).toContainText("Makes a file");
  await expect(page.getByRole("alertdialog")).toHaveCount(0);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await faults(page), colorScheme).toEqual([]);
  }
  await asked(page).getByRole("button", { name: "Once" }).click();
  await hears(page, "made");
  expect(await readFile(file, "utf8")).toBe("yes\n");
  await expect(asked(page)).toHaveCount(0);

  // With a word it goes on, and has read it.
  await rests(page);
  await say(page, bash(`rm ${file}`));
  await asked(page)
    .getByLabel(/^A word to the agent/)
    .fill("Keep this one");
  await page.keyboard.press("Enter");
  await hears(page, "Keep this one");
  expect(await isThere(file)).toBe(true);

  // Without one its turn ends.
  await rests(page);
  await say(page, `${bash(`rm ${file}`)}\nsay never said`);
  await asked(page).getByRole("button", { name: "Deny" }).click();
  await rests(page);
  await expect(asked(page)).toHaveCount(0);
  await expect(transcript(page).locator(".call.failed")).toHaveCount(2);
  expect(await isThere(file)).toBe(true);
  await expect(
    transcript(page).locator(".message.agent .markdown", { hasText: "never said" }),
  ).toHaveCount(0);
});

test("of two pages that answer at once one is first, and both see it done once", async ({
  browser,
  page,
  tandem,
  project,
}) => {
  const other = await (await browser.newContext()).newPage();
  await enter(page, tandem);
  const file = join(project.dir, "count.txt");
  await say(page, `${bash(`echo x >> ${file}`)}\nsay counted`);
  await expect(asked(page)).toBeVisible({ timeout: PATIENCE });
  // The other one has never seen this session: it finds it in the list.
  await enter(other, tandem, await tandem.token("controller", "Bo"));
  await other.getByTitle("All sessions").click();
  await other.locator(".session").first().click();
  await expect(asked(other)).toBeVisible();
  // For who comes second there may be nothing to press any more.
  const once = (of: Page) =>
    asked(of).getByRole("button", { name: "Once" }).click({ timeout: 10_000 });
  await Promise.allSettled([once(page), once(other)]);
  await hears(page, "counted");
  await hears(other, "counted");
  await expect(asked(page)).toHaveCount(0);
  await expect(asked(other)).toHaveCount(0);
  expect(await readFile(file, "utf8")).toBe("x\n");
  await other.context().close();
});

test("stopping ends the turn and withdraws what is asked; what was queued is said after a turn", async ({
  page,
  tandem,
}) => {
  await enter(page, tandem);
  await say(page, "slow 4000 20");
  await hears(page, "word3");
  await button(page, "Stop the agent").click();
  await rests(page);
  const count = () => transcript(page).locator(".message.agent").innerText();
  const stopped = await count();
  await say(page, bash("sleep 1"));
  await expect(asked(page)).toBeVisible({ timeout: PATIENCE });
  await button(page, "Stop the agent").click();
  await expect(asked(page)).toHaveCount(0, { timeout: PATIENCE });
  await rests(page);
  expect(await transcript(page).locator(".message.agent").first().innerText()).toBe(stopped);

  await say(page, "slow 60 30");
  await hears(page, "word1 ");
  await say(page, "say this was queued");
  await expect(page.getByLabel("Waiting to be sent")).toContainText("say this was queued");
  await hears(page, "this was queued");
  await expect(page.getByLabel("Waiting to be sent")).toHaveCount(0);
});

test("all of it by keyboard: chords from within the picture, sessions, the palette; and no key reaches the page", async ({
  page,
  tandem,
  pages,
}) => {
  await enter(page, tandem);
  const empty = await place(page, 900, 600);
  await page.mouse.click(empty.x, empty.y);
  await page.keyboard.press("w");
  await pages.until(report => report.kind === "key" && report.key === "w", "the key");

  // The picture has the keyboard; the chord leaves it.
  await page.keyboard.press("Control+j");
  await expect(field(page)).toBeFocused();
  await page.keyboard.insertText("say by keys");
  await page.keyboard.press("Enter");
  await hears(page, "by keys");
  await rests(page);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("new session");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Tell the agent what to do in this browser.")).toBeVisible();
  await expect(field(page)).toBeFocused();
  await page.keyboard.type("say a second one");
  await page.keyboard.press("Enter");
  await hears(page, "a second one");

  // To the other one by the list.
  await page.keyboard.press("Control+k");
  await page.keyboard.type("all sessions");
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Search sessions")).toBeFocused();
  await expect(page.locator(".session")).toHaveCount(2);
  expect(await faults(page)).toEqual([]);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await hears(page, "by keys");

  await page.keyboard.press("Control+k");
  await page.keyboard.type("rename");
  await page.keyboard.press("Enter");
  await page.getByLabel("The session's title").fill("Renamed by keys");
  await page.keyboard.press("Enter");
  await expect(page.getByTitle("All sessions")).toContainText("Renamed by keys");

  // The edge, by its keys, remembers where it was put.
  const edge = page.getByRole("separator", { name: "Width of the panel" });
  await edge.focus();
  const width = async () => Number(await edge.getAttribute("aria-valuenow"));
  const narrow = await width();
  await page.keyboard.press("Shift+ArrowLeft");
  await expect.poll(width).toBe(narrow + 64);
  await page.reload();
  await expect(edge).toHaveAttribute("aria-valuenow", String(narrow + 64));
  await hears(page, "by keys");

  await page.keyboard.press("Control+k");
  await page.keyboard.type("list the keys");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Keys", exact: true })).toBeVisible();
  expect(await faults(page)).toEqual([]);
  await page.keyboard.press("Escape");

  // Back to the picture: keys go to the page again, and none of all those did.
  await field(page).focus();
  await page.keyboard.press("Control+j");
  await page.keyboard.press("z");
  await pages.until(report => report.kind === "key" && report.key === "z", "the key");
  const keys = pages.reports.filter(report => report.kind === "key").map(report => report.key);
  expect(keys.filter(key => key !== "Control")).toEqual(["w", "z"]);
});

test("questions and requests for help are answered beside the picture and over it", async ({
  page,
  tandem,
}) => {
  await enter(page, tandem);
  const options = [
    { label: "Red", description: "Warm" },
    { label: "Blue", description: "Cold" },
  ];
  const ask = (question: string) =>
    `call question ${JSON.stringify({ questions: [{ header: "Colour", question, options }] })}`;
  const todos = [
    { content: "Choose a colour", status: "in_progress", priority: "high" },
    { content: "Paint it", status: "pending", priority: "low" },
  ];
  const plan = `call todowrite ${JSON.stringify({ todos })}`;
  await say(page, `${plan}\n${ask("Which colour?")}\n${ask("And the frame?")}`);
  await expect(asked(page)).toContainText("Which colour?", { timeout: PATIENCE });
  await expect(page.locator(".plan")).toContainText("0 of 2 done: Choose a colour");
  // Over the picture it is folded to its title, as long as it is asked beside it.
  const card = page.locator(".helps .question-card");
  await expect(card).toContainText("The agent asks");
  await expect(card.getByRole("radio", { name: "Blue" })).toBeHidden();
  await asked(page).getByRole("radio", { name: "Blue" }).check();
  await asked(page).getByRole("button", { name: "Answer" }).click();

  await expect(asked(page)).toContainText("And the frame?", { timeout: PATIENCE });
  await asked(page).getByRole("radio", { name: "Red" }).check();
  await button(page, "Hide the panel").click();
  // What was chosen there is chosen here; the chord goes to it.
  await expect(card.getByRole("radio", { name: "Red" })).toBeChecked();
  await page.keyboard.press("Control+Alt+Enter");
  await expect(card.getByRole("radio", { name: "Red" })).toBeFocused();
  expect(await faults(page)).toEqual([]);
  await page.keyboard.press("Control+Alt+Enter");
  await expect(card).toHaveCount(0);
  await page.keyboard.press("Control+j");
  await hears(page, "Red");
  await rests(page);

  // Another agent asks a person to do something.
  const agent = await Agent.connect(tandem, "Atlas");
  const helped = agent.call("request_help", { reason: "Please sign in" });
  await expect(asked(page)).toContainText("Atlas asks for help");
  await asked(page).getByRole("button", { name: "I'll do it" }).click();
  await expect(asked(page)).toContainText("You are helping Atlas");
  await asked(page).getByLabel("A note for Atlas").fill("You are in as Mara");
  // The same words stand on the card over the picture.
  await expect(page.locator(".helps").getByLabel("A note for Atlas")).toHaveValue(
    "You are in as Mara",
  );
  await asked(page).getByRole("button", { name: "Done" }).click();
  expect((await helped).text).toContain("You are in as Mara");
  await expect(asked(page)).toHaveCount(0);
});

test("a screenshot and a picked element go into the prompt", async ({ page, tandem, pages }) => {
  await enter(page, tandem);
  await button(page, "Add a screenshot of the room").click();
  await expect(page.getByLabel("Goes along").getByRole("img")).toBeVisible();
  await button(page, "Pick an element of the page").click();
  // Escape leaves, and the browser has not been pressed.
  await page.keyboard.press("Escape");
  await expect(field(page)).toBeFocused();
  await button(page, "Pick an element of the page").click();
  // The page's one button, wherever the browser's own bars put it.
  const loaded = await pages.until(report => report.kind === "loaded", "loaded");
  const display = (await (await tandem.api("GET", "/api/rooms/main")).json()) as {
    size?: { height: number };
  };
  const top = (display.size?.height ?? 720) - Number(loaded.height);
  const bar = await place(page, 120, top / 2);
  await page.mouse.click(bar.x, bar.y);
  await expect(page.getByText("part of the browser, not of the page")).toBeVisible();
  const at = await place(page, 120, top + 140);
  await page.mouse.click(at.x, at.y);
  // It is shown first, with its outline where it is.
  const found = page.locator(".picker-found");
  await expect(found).toContainText("Turn green");
  const [outline, corner] = [
    await page.locator(".picker-box").boundingBox(),
    await place(page, 40, top + 120),
  ];
  expect(Math.abs((outline?.x ?? 0) - corner.x)).toBeLessThan(4);
  expect(Math.abs((outline?.y ?? 0) - corner.y)).toBeLessThan(4);
  await expect(field(page)).toHaveValue("");
  expect(await faults(page)).toEqual([]);
  await expect(found.getByRole("button", { name: "Put it into the message" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(field(page)).toHaveValue(/button “Turn green”[\s\S]*getByRole\('button'/);
  expect(pages.reports.filter(report => report.kind === "press")).toEqual([]);
  await expect(field(page)).toBeFocused();
  await page.keyboard.press("Control+End");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.insertText("say seen");
  await page.keyboard.press("Enter");
  await hears(page, "seen");
  await expect(transcript(page).locator(".message.user img")).toBeVisible();
});

test("who only watches sees no panel; on a phone the agent is one press or swipe apart", async ({
  browser,
  tandem,
}) => {
  const vera = await (await browser.newContext()).newPage();
  await vera.goto(tandem.page(await tandem.token("viewer", "Vera")));
  await expect(vera.getByText("You are watching")).toBeVisible();
  await expect(vera.locator(".panel")).toHaveCount(0);
  await vera.context().close();

  const phone = await browser.newContext({
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  const page = await phone.newPage();
  await page.goto(tandem.page());
  await expect(button(page, "Agent")).toBeVisible();
  await expect(field(page)).toBeHidden();
  await button(page, "Agent").click();
  await expect(field(page)).toBeVisible();
  const width = async () => (await page.locator("tandem-room").boundingBox())?.width;
  expect(await width()).toBeLessThan(140);
  expect(await faults(page)).toEqual([]);
  await button(page, "Back to the browser").click();
  await expect(field(page)).toBeHidden();
  await expect.poll(width).toBe(390);

  // A finger, as the browser sees one.
  const touch = await phone.newCDPSession(page);
  const swipe = async (from: number, to: number, y: number) => {
    const at = (x: number) => [{ x, y }];
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: at(from) });
    for (const x of [(from * 2 + to) / 3, (from + to * 2) / 3, to]) {
      await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: at(x) });
    }
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  };
  await swipe(384, 200, 400);
  await expect(field(page)).toBeVisible();
  await swipe(60, 300, 400);
  await expect(field(page)).toBeHidden();
  await phone.close();
});

test("a second project has a tab, sessions and an agent of its own, and what was written stays", async ({
  page,
  tandem,
  project,
}) => {
  await enter(page, tandem);
  await say(page, "say in the first");
  await hears(page, "in the first");
  await rests(page);
  await field(page).fill("A draft");
  await button(page, "Add a project").click();
  await page.getByLabel("The project's folder on the server").fill("/etc");
  await page.keyboard.press("Enter");
  await expect(page.locator(".add-project").getByRole("alert")).toBeVisible();
  await page.getByLabel("The project's folder on the server").fill(join(project.dir, "second"));
  await page.keyboard.press("Enter");
  const tab = page.getByRole("tab", { name: "second" });
  await expect(tab).toHaveAttribute("aria-selected", "true");
  const shown = page.locator(".panel:not(.not-shown)");
  const write = shown.getByLabel("Message to the agent");
  await write.fill("say in the second");
  await write.press("Enter");
  await expect(shown.locator(".message.agent .markdown")).toContainText("in the second", {
    timeout: PATIENCE,
  });
  await page.getByRole("tab").first().click();
  await expect(write).toHaveValue("A draft");
  await expect(shown.locator(".message.agent .markdown")).toContainText("in the first");
});
