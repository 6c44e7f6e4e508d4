/** The real OpenCode with a scripted model: what it says stands in the prompt. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Page } from "@playwright/test";
import { test as base, expect } from "./fixture.ts";
import { Tandem } from "./server.ts";
import { expectColour, RED } from "./viewer.ts";

export { expect };

/** The first start of OpenCode makes its database, on a machine that does other things too. */
export const PATIENCE = 90_000;

/** Where OpenCode works. */
export interface Project {
  dir: string;
  model: ChildProcess;
}

async function project(): Promise<Project> {
  const model = spawn("node", [resolve("../tests/copilot/model.mjs")], {
    stdio: ["ignore", "pipe", "inherit"],
    // A number is printed in colours where a test runner wants them.
    env: { ...process.env, FORCE_COLOR: "0" },
  });
  if (!model.stdout) throw new Error("the model has no output");
  const [port] = await once(createInterface(model.stdout), "line");
  const dir = await mkdtemp(join(tmpdir(), "tandem-project-"));
  await chmod(dir, 0o777);
  const scripted = {
    npm: "@ai-sdk/openai-compatible",
    name: "Scripted",
    options: { baseURL: `http://127.0.0.1:${port}/v1`, apiKey: "none" },
    models: {
      scripted: { name: "Scripted", tool_call: true, limit: { context: 100_000, output: 4000 } },
      other: { name: "Another", tool_call: true, limit: { context: 100_000, output: 4000 } },
    },
  };
  const config = {
    provider: { scripted },
    model: "scripted/scripted",
    permission: { bash: "ask" },
    command: { greet: { template: "say hello $ARGUMENTS", description: "Greets somebody" } },
  };
  await writeFile(join(dir, "notes.txt"), "Milk, bread and a lamp\n");
  await writeFile(join(dir, "opencode.json"), JSON.stringify(config));
  // A second project, below the first.
  await mkdir(join(dir, "second"), { mode: 0o777 });
  await chmod(join(dir, "second"), 0o777);
  await cp(join(dir, "opencode.json"), join(dir, "second", "opencode.json"));
  return { dir, model };
}

export const test = base.extend<{ project: Project }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures that are asked for.
  project: async ({}, use) => {
    const made = await project();
    await use(made);
    made.model.kill();
    await rm(made.dir, { recursive: true, force: true });
  },
  tandem: async ({ pages, project: { dir } }, use, info) => {
    info.setTimeout(4 * PATIENCE);
    const tandem = await Tandem.start(pages.colour, [
      ...["--opencode-dir", dir],
      ...["--opencode-roots", dir],
    ]);
    await use(tandem);
    if (info.status !== info.expectedStatus) await info.attach("server.log", { body: tandem.log });
    await tandem.close();
    await expect.poll(() => tandem.processes(), { message: "nothing is left running" }).toEqual([]);
  },
});

export const field = (page: Page) => page.getByLabel("Message to the agent");
export const transcript = (page: Page) => page.getByRole("log", { name: "Conversation" });

/** Opens the room with the panel beside it. */
export async function enter(page: Page, tandem: Tandem, token?: string): Promise<void> {
  await page.goto(tandem.page(token));
  await expectColour(page, RED);
  await expect(field(page)).toBeVisible();
}

/** Says something, as a person does it: by the keyboard alone. */
export async function say(page: Page, text: string): Promise<void> {
  await field(page).focus();
  const lines = text.split("\n");
  for (const [at, line] of lines.entries()) {
    if (at > 0) await page.keyboard.press("Shift+Enter");
    await page.keyboard.insertText(line);
  }
  await page.keyboard.press("Enter");
}

/** Waits for words of the agent's, not for those of the prompt that asks for them. */
export async function hears(page: Page, words: string | RegExp): Promise<void> {
  const answer = transcript(page).locator(".message.agent .markdown", { hasText: words });
  await expect(answer.last()).toBeVisible({ timeout: PATIENCE });
}

/** Chooses something of the menu of the session that is shown. */
export async function choose(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "More for this session" }).click();
  await page.locator("#session-menu").getByRole("button", { name }).click();
}

/** All that the transcript says, as one line. */
export async function words(page: Page): Promise<string> {
  return (await transcript(page).innerText()).replaceAll(/\s+/g, " ").trim();
}

export async function rests(page: Page): Promise<void> {
  await expect(page.getByRole("button", { name: "Stop the agent" })).toHaveCount(0, {
    timeout: PATIENCE,
  });
}
