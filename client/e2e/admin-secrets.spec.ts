/** Secrets on the admin's page: kept, used by an agent, replaced and removed, and never shown. */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { faults, open } from "./support/admin.ts";
import { Agent } from "./support/agent.ts";
import { expect, test } from "./support/fixture.ts";
import type { Pages } from "./support/pages.ts";
import type { Tandem } from "./support/server.ts";

const FIRST = "ann-of-the-xyzzy";
const SECOND = "bea-of-the-xyzzy";
const row = (page: Page, name: string) => page.locator(`[data-secret="${name}"]`);

interface Kept {
  secrets: { name: string; kind: string; origins: string[]; room: string | null }[];
  trouble: string | null;
}
const kept = async (tandem: Tandem): Promise<Kept> => {
  const text = await (await tandem.api("GET", "/api/secrets")).text();
  expect(text, "no value comes back").not.toMatch(/xyzzy/);
  return JSON.parse(text) as Kept;
};

/** The agent types it, and the page tells what came. */
async function typed(agent: Agent, pages: Pages, text: string): Promise<string> {
  const answer = await agent.call("browser_type", { target: "input", text: "secret:shop-user" });
  expect(answer.isError, answer.text).toBe(false);
  expect(answer.text).not.toContain(text);
  await pages.until(report => report.kind === "text" && report.text === text, text);
  return answer.text;
}

test("a secret is kept, typed by an agent, replaced and removed, and its value never comes back", async ({
  page,
  tandem,
  pages,
}) => {
  await open(page, tandem, "secrets");
  await expect(page.getByText("There is no secret.")).toBeVisible();
  const make = page.getByRole("button", { name: "New secret" });
  await make.click();
  await expect(page.getByLabel("Name")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByLabel("Name")).toBeHidden();
  await expect(make).toBeFocused();

  await make.click();
  await page.getByLabel("Name").fill("shop-user");
  await page.getByLabel("Kind").selectOption("Text");
  await expect(page.getByLabel("Value")).toHaveAttribute("type", "password");
  await expect(page.getByLabel("Value")).toHaveAttribute("autocomplete", "off");
  await page.getByLabel("Value").fill(FIRST);
  await page.getByLabel("May be typed at").fill("shop.example");
  await page.getByRole("button", { name: "Keep the secret" }).click();
  await expect(page.getByRole("alert")).toHaveText(/"shop.example" is no origin for a secret/);
  await expect(page.getByRole("alert")).not.toContainText("column");
  expect(await faults(page)).toEqual([]);
  await page.getByLabel("May be typed at").fill(`https://shop.example, ${pages.origin}`);
  await page.getByRole("button", { name: "Keep the secret" }).click();
  const user = row(page, "shop-user");
  await expect(user.getByText("secret:shop-user")).toBeVisible();
  await expect(user.getByText("all rooms")).toBeVisible();
  await expect(user.getByText("by Admin")).toBeVisible();
  await expect(user.getByText("never")).toBeVisible();
  await expect(page.getByLabel("Value")).toHaveCount(0);
  expect(await page.content()).not.toContain("xyzzy");
  expect((await kept(tandem)).secrets).toMatchObject([
    {
      name: "shop-user",
      kind: "text",
      origins: ["https://shop.example", pages.origin],
      room: null,
    },
  ]);
  expect(await faults(page)).toEqual([]);

  const agent = await Agent.connect(tandem);
  await typed(agent, pages, FIRST);
  await expect(user.getByText("never")).toHaveCount(0);

  // A name that is taken is not written over by mistake.
  await make.click();
  await page.getByLabel("Name").fill("shop-user");
  await page.getByLabel("Value").fill("x");
  await page.getByLabel("May be typed at").fill(pages.origin);
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Keep the secret" }).click();
  await expect(page.getByRole("alert")).toHaveText(/There is a secret shop-user already/);
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Replace: shop-user" }).click();
  await expect(page.getByLabel("May be typed at")).toHaveValue(
    `https://shop.example\n${pages.origin}`,
  );
  await expect(page.getByLabel("Value")).toHaveValue("");
  await page.getByLabel("Value").fill(SECOND);
  await user.getByLabel("Room").selectOption("main");
  expect(await faults(page)).toEqual([]);
  await page.getByLabel("Value").press("Enter");
  await expect(page.getByText("shop-user was replaced")).toBeVisible();
  await expect(user.getByLabel("Value")).toHaveCount(0);
  expect((await kept(tandem)).secrets).toMatchObject([{ name: "shop-user", room: "main" }]);
  await typed(agent, pages, SECOND);

  const remove = page.getByRole("button", { name: "Remove: shop-user" });
  await remove.click();
  await expect(page.getByRole("button", { name: "Keep it" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(remove).toBeFocused();
  expect((await kept(tandem)).secrets).toHaveLength(1);
  await remove.click();
  await page.getByRole("button", { name: "Remove", exact: true }).last().click();
  await expect(page.getByText("There is no secret.")).toBeVisible();
  expect((await kept(tandem)).secrets).toEqual([]);
  const refused = await agent.call("browser_type", { target: "input", text: "secret:shop-user" });
  expect(refused.isError, refused.text).toBe(true);
  expect(tandem.log).not.toMatch(/xyzzy/);
});

test("a key that is gone is told on top, and what needs it says so", async ({
  page,
  tandem,
  pages,
}) => {
  const body = { kind: "password", origins: [pages.origin], value: FIRST };
  expect((await tandem.api("PUT", "/api/secrets/shop", body)).status).toBe(201);
  await rm(join(tandem.dataDir, "secrets.key"));
  await open(page, tandem, "secrets");
  await expect(page.getByText("No secret can be used now.")).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("The secrets' key is gone");
  expect(await faults(page)).toEqual([]);
  await page.getByRole("button", { name: "Replace: shop" }).click();
  await page.getByLabel("Value").fill(SECOND);
  await page.getByRole("button", { name: "Keep the secret" }).click();
  await expect(row(page, "shop").getByRole("alert")).toContainText("key is gone");
  await page.keyboard.press("Escape");
  // Without secrets a new key may be made.
  await page.getByRole("button", { name: "Remove: shop" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).last().click();
  await expect(page.getByText("There is no secret.")).toBeVisible();
  await expect(page.getByText("No secret can be used now.")).toHaveCount(0);
});

test("secrets are for the admin alone", async ({ page, tandem, pages }) => {
  const body = { kind: "password", origins: [pages.origin], value: FIRST };
  expect((await tandem.api("PUT", "/api/secrets/shop", body)).status).toBe(201);
  for (const role of ["agent", "controller", "viewer"]) {
    const token = await tandem.token(role, role);
    for (const [method, path] of [
      ["GET", "/api/secrets"],
      ["PUT", "/api/secrets/shop"],
      ["DELETE", "/api/secrets/shop"],
    ] as const) {
      const given = method === "PUT" ? { ...body, value: SECOND } : undefined;
      const answer = await tandem.api(method, path, given, token);
      expect(answer.status, `${role} ${method}`).toBe(403);
    }
  }
  const guest = await tandem.token("controller", "Guest");
  expect((await open(page, tandem, "secrets", guest))?.status()).toBe(403);
  await expect(page.getByText("opens rooms, but not this page")).toBeVisible();
  await expect(page.getByText("secret:shop")).toHaveCount(0);
});
