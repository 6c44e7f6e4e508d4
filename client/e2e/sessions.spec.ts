/** What can be done with sessions in the panel, and what they outlive, with the real OpenCode. */

import type { Page } from "@playwright/test";
import {
  choose,
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
import { expectColour, YELLOW } from "./support/viewer.ts";

const answer = (page: Page, text: string) =>
  transcript(page).locator(".message.agent .markdown", { hasText: text });
const counted = (upTo: number) => Array.from({ length: upTo }, (_, at) => `word${at}`).join(" ");

test("sessions are undone and brought back, forked, summarised; subagents open from their call", async ({
  page,
  tandem,
}) => {
  await enter(page, tandem);
  await say(page, "say the first");
  await hears(page, "the first");
  await rests(page);
  await say(page, "say the second");
  await hears(page, "the second");
  await rests(page);

  await choose(page, "Undo the last turn");
  await expect(answer(page, "the second")).toHaveCount(0);
  await expect(answer(page, "the first")).toBeVisible();
  await page.getByRole("button", { name: "Bring it back" }).click();
  await expect(answer(page, "the second")).toBeVisible();

  // A fork from before the second message has the first alone, and is another session.
  const second = transcript(page).locator(".message.user", { hasText: "say the second" });
  await second.hover();
  await second.getByRole("button", { name: "Fork here" }).click();
  await expect(answer(page, "the second")).toHaveCount(0);
  await expect(answer(page, "the first")).toBeVisible({ timeout: PATIENCE });
  await say(page, "say on another way");
  await hears(page, "on another way");
  await rests(page);
  await page.getByTitle("All sessions").click();
  await expect(page.locator(".session")).toHaveCount(2);
  await page.keyboard.press("Escape");

  const task = { description: "Look below", prompt: "say from below", subagent_type: "general" };
  await say(page, `call task ${JSON.stringify(task)}`);
  await hears(page, "Done: 1 answers");
  await rests(page);
  await transcript(page).getByRole("button", { name: "Look below" }).click();
  await hears(page, "from below");
  await page.getByRole("button", { name: /^Back to/ }).click();
  await hears(page, "on another way");

  await choose(page, "Summarise");
  // What the scripted model says to whoever gives it no tools.
  await hears(page, "A title");
  await rests(page);
});

test("files by @, commands by /, another model and way of working; a link opens in the room's browser", async ({
  page,
  tandem,
  pages,
}) => {
  await enter(page, tandem);
  await say(page, "say ready");
  await hears(page, "ready");
  await rests(page);

  await field(page).focus();
  await page.keyboard.insertText("say read @note");
  await expect(page.getByRole("option", { name: "@notes.txt" })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(field(page)).toHaveValue("say read @notes.txt ");
  await page.keyboard.press("Enter");
  await hears(page, "read @notes.txt");
  await expect(transcript(page).locator(".message.user .chip")).toContainText("notes.txt");
  await rests(page);

  await field(page).focus();
  await page.keyboard.insertText("/gre");
  await expect(page.getByRole("option", { name: /\/greet/ })).toContainText("Greets somebody");
  await page.keyboard.press("Enter");
  await page.keyboard.insertText("Mara");
  await page.keyboard.press("Enter");
  await hears(page, "hello Mara");
  await rests(page);

  await page.getByLabel("Model").selectOption({ label: "Another" });
  await page.getByLabel("Way of working").selectOption("plan");
  await say(page, `say go to [the second page](${pages.second})`);
  await hears(page, "go to the second page");
  await rests(page);
  const all = await tandem.api("GET", "/api/rooms/main/sessions");
  expect(await all.json()).toMatchObject([{ model: "scripted/other", agent: "plan" }]);
  await page.reload();
  await hears(page, "go to the second page");
  await expect(page.getByLabel("Model")).toHaveValue("scripted/other");
  await expect(page.getByLabel("Way of working")).toHaveValue("plan");

  await transcript(page).getByRole("link", { name: "the second page" }).click();
  await expectColour(page, YELLOW);
});

test("a reload in mid-stream and an agent that is killed lose nothing and show nothing twice", async ({
  browser,
  page,
  tandem,
}) => {
  await enter(page, tandem);
  await say(page, "slow 60 100");
  await hears(page, "word5 ");
  await say(page, "say this was queued");
  await expect(page.getByLabel("Waiting to be sent")).toContainText("this was queued");
  await field(page).fill("A draft");
  await page.reload();
  // What waits to be said and what is not said yet are still there, and the stream goes on.
  await expect(field(page)).toHaveValue("A draft");
  await expect(page.getByLabel("Waiting to be sent")).toContainText("this was queued");
  await hears(page, "word20 ");
  await hears(page, "word59");
  expect((await answer(page, "word59").innerText()).trim()).toBe(counted(60));
  await hears(page, "this was queued");
  await expect(page.getByLabel("Waiting to be sent")).toHaveCount(0);
  await rests(page);

  await field(page).fill("");
  await say(page, "slow 4000 20");
  // The second that says so: the turn is in the middle.
  await expect(answer(page, "word9 ").nth(1)).toBeVisible({ timeout: PATIENCE });
  const agents = (await tandem.processes()).filter(one => /opencode/.test(one));
  expect(agents.length).toBeGreaterThan(0);
  for (const one of agents) process.kill(Number(one.split(" ")[0]), "SIGKILL");
  await rests(page);
  await expect(page.getByRole("alert").filter({ hasText: "agent" })).toHaveCount(0);
  const fresh = await (await browser.newContext()).newPage();
  await enter(fresh, tandem, await tandem.token("controller", "Bo"));
  await fresh.getByTitle("All sessions").click();
  await fresh.locator(".session").first().click();
  await expect(answer(fresh, "word9 ").nth(1)).toBeVisible({ timeout: PATIENCE });
  const hour = /\d\d:\d\d( [AP]M)?/g;
  const said = async (of: Page) => (await words(of)).replaceAll(hour, "");
  await expect.poll(() => said(page)).toBe(await said(fresh));

  // And both go on with it.
  await say(page, "say it goes on");
  await hears(page, "it goes on");
  await hears(fresh, "it goes on");
  await expect.poll(() => said(page)).toBe(await said(fresh));
  await fresh.context().close();
});
