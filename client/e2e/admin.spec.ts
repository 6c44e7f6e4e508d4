/** The page of whoever administers the server: what is done in it is done, as the API tells. */

import type { Page } from "@playwright/test";
import { faults, open } from "./support/admin.ts";
import { Agent } from "./support/agent.ts";
import { expect, test } from "./support/fixture.ts";
import { ADMIN_TOKEN, type Tandem } from "./support/server.ts";
import { expectColour, RED } from "./support/viewer.ts";

interface Room {
  id: string;
  phase: { state: string };
  present: { id: string; name: string }[];
}

const rooms = async (tandem: Tandem): Promise<Room[]> =>
  (await tandem.api("GET", "/api/rooms")).json() as Promise<Room[]>;
const phase = async (tandem: Tandem, id: string) =>
  (await rooms(tandem)).find(room => room.id === id)?.phase.state ?? "gone";
const row = (page: Page, id: string) => page.locator(`[data-room="${id}"]`);

test("a room is made, put to sleep, woken, stopped, started and deleted, as the API tells", async ({
  page,
  tandem,
}) => {
  await open(page, tandem);
  await expect(row(page, "main").getByText("Awake")).toBeVisible();
  await expect(row(page, "main").locator(".number").first()).toHaveText(/\d+ MB/);
  expect(await faults(page)).toEqual([]);

  await page.getByRole("button", { name: "New room" }).click();
  await page.getByLabel("Name").fill("main");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toHaveText(/exists already/);
  await page.getByLabel("Name").fill("second");
  await page.getByLabel("Width").fill("1024");
  await page.getByLabel("Height").fill("640");
  await page.getByText("Limits, sleep").click();
  await page.getByLabel("Falls asleep after").fill("30");
  await page.getByLabel("Language").fill("de");
  expect(await faults(page)).toEqual([]);
  await page.getByRole("button", { name: "Make the room" }).click();
  const second = row(page, "second");
  await expect(second.locator(".state")).toContainText("Awake");
  await second.getByRole("button", { name: "second", exact: true }).click();
  await expect(second.getByText("1024 × 640")).toBeVisible();
  await expect(second.getByText("30 minutes")).toBeVisible();

  await second.getByRole("button", { name: /Put to sleep/ }).click();
  await expect(second.locator(".state")).toContainText("Asleep");
  expect(await phase(tandem, "second")).toBe("sleeping");
  await second.getByRole("button", { name: /Wake/ }).click();
  await expect(second.locator(".state")).toContainText("Awake");
  expect(await phase(tandem, "second")).toBe("live");

  // By the keyboard alone, with the safe answer first.
  const more = second.getByRole("button", { name: "More for second" });
  const choose = async (name: string) => {
    await more.focus();
    await page.keyboard.press("Enter");
    await second.getByRole("button", { name, exact: true }).focus();
    await page.keyboard.press("Enter");
  };
  await choose("Stop");
  await expect(second.getByRole("button", { name: "Leave it" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(second.getByRole("alertdialog")).toBeHidden();
  expect(await phase(tandem, "second")).toBe("live");
  await choose("Stop");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(second.locator(".state")).toContainText("Stopped");
  expect(await phase(tandem, "second")).toBe("stopped");

  // Whoever comes to a stopped room reads why nothing is there, and does not wake it.
  const guest = await page.context().newPage();
  await guest.goto(`${tandem.origin}/rooms/second`);
  await expect(guest.getByText("An admin has stopped this room")).toBeVisible();
  await guest.close();
  expect(await phase(tandem, "second")).toBe("stopped");
  await second.getByRole("button", { name: /Start/ }).click();
  await expect(second.locator(".state")).toContainText("Awake");

  await choose("Delete");
  await second.getByRole("button", { name: "Delete", exact: true }).last().click();
  await expect(second).toBeHidden();
  expect(await phase(tandem, "second")).toBe("gone");
});

test("a stopped room stays stopped over a restart of the server", async ({ tandem }) => {
  expect((await tandem.api("POST", "/api/rooms/main/stop")).status).toBe(200);
  await tandem.end("SIGTERM");
  await tandem.launch();
  expect(await phase(tandem, "main")).toBe("stopped");
  expect((await tandem.api("POST", "/api/rooms/main/sleep")).status).toBe(409);
  expect((await tandem.api("POST", "/api/rooms/main/start")).status).toBe(200);
  await expect.poll(() => phase(tandem, "main")).toBe("live");
});

test("a room put to sleep under somebody's eyes says so and wakes when they want it", async ({
  page,
  tandem,
}) => {
  await page.goto(tandem.page(await tandem.token("controller", "Mara")));
  await expectColour(page, RED);
  expect((await tandem.api("POST", "/api/rooms/main/sleep")).status).toBe(409);
  expect((await tandem.api("POST", "/api/rooms/main/sleep", { anyway: true })).status).toBe(200);
  await expect(page.getByText("The room is asleep")).toBeVisible();
  await page.getByRole("button", { name: "Wake it" }).click();
  await expect.poll(() => phase(tandem, "main")).toBe("live");
  await expectColour(page, RED);
});

test("people and agents are listed with their way, and put out for good", async ({
  page,
  browser,
  tandem,
}) => {
  const token = await tandem.token("controller", "Mara");
  const visit = await browser.newContext();
  const hers = await visit.newPage();
  await hers.goto(tandem.page(token));
  await expectColour(hers, RED);
  const agent = await Agent.connect(tandem, "Atlas");
  await open(page, tandem, "people");
  const mara = page.locator('[data-person="Mara"]');
  await expect(mara.getByText(/^UDP|^TCP/)).toBeVisible();
  await expect(mara.getByText("Controller")).toBeVisible();
  await expect(page.locator('[data-person="Atlas"]').getByText("no picture")).toBeVisible();
  expect(await faults(page)).toEqual([]);

  // Who is there is not put to sleep under their eyes without a word.
  await page.getByRole("link", { name: "Rooms" }).click();
  await row(page, "main")
    .getByRole("button", { name: /Put to sleep/ })
    .click();
  await expect(page.getByText(/There are 1 person, 1 agent in it/)).toBeVisible();
  await page.getByRole("button", { name: "Leave it" }).click();
  expect(await phase(tandem, "main")).toBe("live");

  await page.getByRole("link", { name: /People/ }).click();
  await page.getByRole("button", { name: "Put out: Mara" }).click();
  await page.getByRole("button", { name: "Put out", exact: true }).last().click();
  await expect(mara).toBeHidden();
  await expect(hers.getByText(/put you out|was revoked/)).toBeVisible();
  const names = (await rooms(tandem)).flatMap(room => room.present.map(who => who.name));
  expect(names).not.toContain("Mara");
  expect((await tandem.api("GET", "/api/rooms", undefined, token)).status).toBe(401);

  await page.getByRole("button", { name: "Put out: Atlas" }).click();
  await page.getByRole("button", { name: "Put out", exact: true }).last().click();
  await expect(page.locator('[data-person="Atlas"]')).toBeHidden();
  await expect(agent.call("browser_snapshot", {})).rejects.toThrow();
  await visit.close();
});

test("a token is minted, shown once, used and revoked", async ({ page, browser, tandem }) => {
  await open(page, tandem, "tokens");
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("Role").selectOption("Viewer");
  await page.getByLabel("Name").fill("Jun");
  await expect(page.getByLabel("Good for")).toHaveValue("86400");
  await page.getByLabel("Good for").selectOption("an hour");
  expect(await faults(page)).toEqual([]);
  await page.getByRole("button", { name: "Make the token" }).click();
  const link = await page.locator(".made code").first().textContent();
  const text = await page.locator(".made code").last().textContent();
  expect(link).toContain(text ?? "none");
  const jun = page.locator('[data-token="Jun"]');
  await expect(jun.getByText("Viewer")).toBeVisible();
  await page.getByRole("button", { name: "Close" }).click();
  await expect(page.getByText(text ?? "none")).toHaveCount(0);

  const visit = await browser.newContext();
  const his = await visit.newPage();
  await his.goto(link ?? "");
  await expect(his.getByText("You are watching")).toBeVisible();
  await page.getByRole("button", { name: "Revoke: Jun" }).click();
  await page.getByRole("button", { name: "Revoke", exact: true }).click();
  await expect(jun).toBeHidden();
  await expect(his.getByText(/was revoked/)).toBeVisible();
  expect((await tandem.api("GET", "/api/rooms", undefined, text)).status).toBe(401);
  await visit.close();
});

test("rules are refused at their line, saved and tried", async ({ page, tandem }) => {
  await open(page, tandem, "rules");
  const area = page.getByLabel("Rules as JSON");
  await expect(area).toBeEnabled();
  await area.fill('{ "rules": [\n  { "name": "no-banks", "efect": "deny" }\n] }');
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("line 2");
  await page
    .getByRole("button", { name: /line 2/ })
    .first()
    .click();
  await expect(area).toBeFocused();
  expect(await faults(page)).toEqual([]);
  await area.fill(
    '{ "rules": [\n  { "name": "no-banks", "effect": "deny", "where": "https://*.bank.example" }\n] }',
  );
  await page.keyboard.press("Control+s");
  await expect(page.getByText("Saved. They count from now on.")).toBeVisible();
  const kept = await (await tandem.api("GET", "/api/rules")).text();
  expect(kept).toContain("no-banks");
  await page.getByLabel("Addresses").fill("https://my.bank.example");
  await page.getByRole("button", { name: "Try it" }).click();
  await expect(page.getByText("By the rule server/no-banks.")).toBeVisible();
  // A room has rules of its own, and the address says whose are shown.
  await page.getByLabel("Rules of").selectOption("the room main");
  await expect(area).not.toHaveValue(/no-banks/);
  expect(page.url()).toContain("#rules/main");
  await page.reload();
  await expect(page.getByLabel("Rules of")).toHaveValue("main");
});

test("the server says how it is, checks a record, and is lost and found again", async ({
  page,
  tandem,
}) => {
  await open(page, tandem, "server");
  await page.getByRole("button", { name: "Check: main" }).click();
  await expect(page.getByText(/whole, \d+ line/)).toBeVisible();
  await expect(page.locator('[data-gauge="cpu"]').getByText(/%/)).toBeVisible();
  expect(await faults(page)).toEqual([]);
  await page.getByRole("link", { name: "Open the doctor" }).click();
  await expect(page.getByRole("heading", { name: "Which way the picture takes" })).toBeVisible();
  await page.goBack();
  await tandem.end("SIGTERM");
  await expect(page.getByText("The server does not answer")).toBeVisible();
  await tandem.launch();
  await expect(page.getByText("The server does not answer")).toBeHidden();
});

test("who is not the admin is told so, and how to come in", async ({ page, tandem }) => {
  expect((await page.goto(`${tandem.origin}/admin`))?.status()).toBe(401);
  await expect(page.getByText("for who administers the server")).toBeVisible();
  const guest = await tandem.token("controller", "Guest");
  const answer = await open(page, tandem, "rooms", guest);
  expect(answer?.status()).toBe(403);
  await expect(page.getByText("opens rooms, but not this page")).toBeVisible();
  expect(await faults(page)).toEqual([]);
  for (const [method, path] of [
    ["GET", "/api/admin"],
    ["GET", "/api/tokens"],
    ["POST", "/api/rooms/main/sleep"],
    ["POST", "/api/rooms/main/stop"],
    ["POST", "/api/rooms/main/put-out"],
  ] as const) {
    expect((await tandem.api(method, path, undefined, guest)).status, path).toBe(403);
  }
  await page.getByLabel("Admin's token").fill(ADMIN_TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(row(page, "main")).toBeVisible();
  expect(page.url()).not.toContain("tdm_");
  // From a room the way to this page is offered to the admin alone.
  await page.getByRole("link", { name: "Open main" }).click();
  await page.getByRole("link", { name: "Administration" }).click();
  await expect(row(page, "main")).toBeVisible();
});
