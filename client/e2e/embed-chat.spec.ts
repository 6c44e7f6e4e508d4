/**
 * The conversation with the room's agent in somebody else's page: from another
 * site than the server's, with third-party cookies off, with the real OpenCode.
 */

import type { AddressInfo } from "node:net";
import { AxeBuilder } from "@axe-core/playwright";
import type { Frame, Page } from "@playwright/test";
import { dashboard } from "../examples/server.mjs";
import { test as base, expect, hears, PATIENCE } from "./support/copilot.ts";
import { ADMIN_TOKEN } from "./support/server.ts";
import { expectColour, RED, YELLOW } from "./support/viewer.ts";

const asRoot = process.getuid?.() === 0;
type Scope = Page | Frame;

const test = base.extend<{ dash: (path: string, query?: string) => string; clean: undefined }>({
  dash: async ({ tandem }, use) => {
    const settings = { tandem: tandem.origin, admin: ADMIN_TOKEN, origin: "" };
    const server = dashboard(settings);
    await new Promise<void>(ready => server.listen(0, "127.0.0.1", ready));
    settings.origin = `http://dash.example:${(server.address() as AddressInfo).port}`;
    await use((path, query = "") => `${settings.origin}/${path}/${query}`);
    server.closeAllConnections();
    await new Promise(closed => server.close(closed));
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

const field = (scope: Scope) => scope.getByLabel("Message to the agent");
async function say(scope: Scope, text: string): Promise<void> {
  await field(scope).fill(text);
  await field(scope).press("Enter");
}

test("in a frame a person talks to the agent, which acts in the room after a yes", async ({
  page,
  tandem,
  pages,
  dash,
}) => {
  const rules = { rules: [{ name: "look-first", effect: "ask", what: "browser_navigate" }] };
  expect((await tandem.api("PUT", "/api/rooms/main/rules", rules)).status).toBe(200);
  await page.goto(dash("iframe", "?o-panel=shown&o---tandem-accent=%230f766e&singleUse=1"));
  await expect
    .poll(() => page.frames().some(one => one.url().startsWith(tandem.origin)))
    .toBe(true);
  const frame = page.frames().find(one => one.url().startsWith(tandem.origin));
  if (!frame) throw new Error("no frame");
  await expectColour(frame as unknown as Page, RED);
  await expect(field(frame)).toBeVisible();
  await say(frame, "say hello from the frame");
  await hears(frame as unknown as Page, "hello from the frame");
  await say(
    frame,
    `call tandem_browser_navigate ${JSON.stringify({ url: pages.second })}\nsay there now`,
  );
  await frame.getByRole("button", { name: "Yes, once" }).click({ timeout: PATIENCE });
  await expectColour(frame as unknown as Page, YELLOW);
  await hears(frame as unknown as Page, "there now");
  // The colours of the page around reach into it; the room's own view is one press away.
  const send = frame.getByRole("button", { name: /^Send/ });
  await field(frame).fill("x");
  await expect(send).toHaveCSS("background-color", "rgb(15, 118, 110)");
  await frame.getByRole("button", { name: "Room", exact: true }).click();
  await expect(frame.getByText("Ada (you)")).toBeVisible();
  await expect(field(frame)).toBeHidden();
  await frame.getByRole("button", { name: "Agent", exact: true }).click();
  await expect(field(frame)).toHaveValue("x");
  const { violations } = await new AxeBuilder({ page }).analyze();
  const ours = violations.filter(found => found.nodes.some(node => node.target.length > 1));
  expect(ours.map(found => `${found.id}: ${found.nodes[0]?.html}`)).toEqual([]);
});

test("the element fetches the conversation when its panel is shown, and keeps nothing in the page's storage", async ({
  page,
  dash,
}) => {
  const fetched: string[] = [];
  page.on("request", request => fetched.push(new URL(request.url()).pathname));
  await page.goto(dash("plain"));
  await expectColour(page, RED);
  expect(fetched).not.toContain("/embed-chat.mjs");
  await page.locator("tandem-room").evaluate(room => room.setAttribute("panel", "shown"));
  await expect(field(page)).toBeVisible();
  expect(fetched).toContain("/embed-chat.mjs");
  await say(page, "say hello from the element");
  await hears(page, "hello from the element");
  const kept = await page.evaluate(() => [
    ...Object.keys(localStorage),
    ...Object.keys(sessionStorage),
  ]);
  expect(kept).toEqual([]);
  expect(await page.content(), "the token is in no document").not.toContain("tdm_");
});

test("who may only watch is shown no conversation", async ({ page, dash }) => {
  const fetched: string[] = [];
  page.on("request", request => fetched.push(new URL(request.url()).pathname));
  await page.goto(dash("plain", "?role=viewer"));
  await expectColour(page, RED);
  await page.locator("tandem-room").evaluate(room => room.setAttribute("panel", "shown"));
  await expect(page.getByText("Ada (you)")).toBeVisible();
  await expect(field(page)).toHaveCount(0);
  expect(fetched.filter(path => /embed-chat|sessions/.test(path))).toEqual([]);
});
