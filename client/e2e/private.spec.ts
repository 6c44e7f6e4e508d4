/** Private moments as people see them: one press, a veil for the others, and back. */

import { Agent } from "./support/agent.ts";
import { expect, test } from "./support/fixture.ts";
import { expectColour, place, RED } from "./support/viewer.ts";

test("one press hides the page from viewers and agents, and another brings it back", async ({
  page,
  browser,
  tandem,
}) => {
  await page.goto(tandem.page(await tandem.token("controller", "Ada")));
  await expectColour(page, RED);
  const vic = await (await browser.newContext()).newPage();
  await vic.goto(tandem.page(await tandem.token("viewer", "Vic")));
  await expectColour(vic, RED);
  const bo = await (await browser.newContext()).newPage();
  await bo.goto(tandem.page(await tandem.token("controller", "Bo")));
  await expectColour(bo, RED);
  const agent = await Agent.connect(tandem);
  await agent.call("browser_snapshot");

  await page.getByRole("button", { name: "Private" }).click();
  await expect(page.getByText("You are in private").first()).toBeVisible();
  await expect(vic.getByText("Ada is typing something private")).toBeVisible();
  await expect(bo.getByText("Ada is in private").first()).toBeVisible();
  await expect(bo.getByRole("button", { name: "Private" })).toHaveCount(0);
  const refused = await agent.call("browser_snapshot");
  expect(refused.isError, refused.text).toBe(true);
  expect(refused.text).toContain("private moment");
  // Ada and whoever has her role go on seeing it; a viewer has nothing on the screen but the words.
  await expectColour(page, RED);
  await expect(vic.locator("tandem-room").locator("video")).toBeHidden();
  if (process.env.LOOK) {
    for (const [name, who] of [
      ["ada", page],
      ["vic", vic],
      ["bo", bo],
    ] as const) {
      await who.screenshot({ path: `${process.env.LOOK}/private-${name}.png` });
    }
  }

  const end = page.getByRole("button", { name: "Private" });
  await expect(end).toHaveAttribute("aria-pressed", "true");
  await end.click();
  await expectColour(vic, RED);
  const seen = await agent.call("browser_snapshot");
  expect(seen.isError, seen.text).toBe(false);
});

test("a password field is private by itself, for who presses into it and nobody else", async ({
  page,
  browser,
  tandem,
}) => {
  const agent = await Agent.connect(tandem);
  await agent.call("browser_navigate", {
    url: "data:text/html,<body style='margin:0;background:rgb(200,30,30)'><input type=password style='position:fixed;inset:0;width:100vw;height:50vh;font-size:40px'>",
  });
  await page.goto(tandem.page(await tandem.token("controller", "Ada")));
  const vic = await (await browser.newContext()).newPage();
  await vic.goto(tandem.page(await tandem.token("viewer", "Vic")));
  await expectColour(vic, RED);
  await expectColour(page, RED);
  const field = await place(page, 600, 250);
  await page.mouse.click(field.x, field.y);
  await page.keyboard.type("correct horse");
  await expect(page.getByText("You are in private").first()).toBeVisible();
  await expect(vic.getByText("Ada is typing something private")).toBeVisible();
  const below = await place(page, 600, 650);
  await page.mouse.click(below.x, below.y);
  await expectColour(vic, RED);
  const seen = await agent.call("browser_snapshot");
  expect(seen.text).not.toContain("correct");
});
