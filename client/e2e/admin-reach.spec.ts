/** What a room reaches, on the admin's page: lists that count as soon as they are saved. */

import { faults, open } from "./support/admin.ts";
import { Agent } from "./support/agent.ts";
import { expect, test } from "./support/fixture.ts";
import type { Tandem } from "./support/server.ts";

interface Lists {
  allow: string[];
  deny: string[];
}
const lists = async (tandem: Tandem): Promise<Lists> => {
  const { allow, deny } = (await (
    await tandem.api("GET", "/api/rooms/main/egress")
  ).json()) as Lists;
  return { allow, deny };
};

test("what a room reaches is changed at once, and what cannot be is refused at its field", async ({
  page,
  tandem,
  pages,
}) => {
  const there = new URL(pages.origin).host;
  const agent = await Agent.connect(tandem);
  const go = () => agent.call("browser_navigate", { url: pages.second });
  expect((await go()).text).toContain("Second page");

  await open(page, tandem);
  await page.getByRole("button", { name: "main", exact: true }).click();
  const reach = page.getByRole("region", { name: "Network reach of main" });
  await expect(reach.getByText("The server opens for all rooms: 127.0.0.0/8.")).toBeVisible();
  const allow = reach.getByLabel("Also open");
  const deny = reach.getByLabel("Closed");
  const save = reach.getByRole("button", { name: "Save" });
  await expect(save).toBeDisabled();

  await deny.fill(`${there}\n10.0.0.0/99`);
  await save.click();
  await expect(deny).toHaveAttribute("aria-invalid", "true");
  await expect(deny).toHaveAccessibleDescription(/'10.0.0.0\/99' is no address, range or name/);
  await expect(allow).not.toHaveAttribute("aria-invalid");
  expect(await faults(page)).toEqual([]);
  await allow.fill("*");
  await deny.fill("");
  await save.click();
  await expect(allow).toHaveAccessibleDescription(/says nothing/);
  await expect(deny).not.toHaveAttribute("aria-invalid");
  expect(await lists(tandem), "what was refused changes nothing").toEqual({ allow: [], deny: [] });
  await reach.getByRole("button", { name: "Undo my changes" }).click();
  await expect(allow).toHaveValue("");

  await allow.fill("10.1.2.3, wiki.house.example:8443");
  await deny.fill(there);
  await save.click();
  await expect(page.getByText("Saved. It counts from now on.")).toBeVisible();
  await expect(allow).toHaveValue("10.1.2.3\nwiki.house.example:8443");
  await expect(save).toBeDisabled();
  expect(await lists(tandem)).toEqual({
    allow: ["10.1.2.3", "wiki.house.example:8443"],
    deny: [there],
  });
  // By plain HTTP the gate answers with a page that says why.
  expect((await go()).text).toContain(`'${there}' is in a deny list`);

  // Whoever looks again reads what was turned away.
  await page.reload();
  await page.getByRole("button", { name: "main", exact: true }).click();
  await expect(reach.getByText("Turned away lately")).toBeVisible();
  await expect(reach.getByText(there, { exact: true })).toBeVisible();
  expect(await faults(page)).toEqual([]);
  await deny.fill("");
  await save.click();
  await expect(save).toBeDisabled();
  expect((await go()).text).toContain("Second page");
});

test("who is not the admin changes nothing about what a room reaches", async ({ tandem }) => {
  for (const role of ["agent", "controller", "viewer"]) {
    const token = await tandem.token(role, role);
    const wanted = { allow: ["10.0.0.0/8"], deny: [] };
    const answer = await tandem.api("PUT", "/api/rooms/main/egress", wanted, token);
    expect(answer.status, role).toBe(403);
  }
  expect(await lists(tandem)).toEqual({ allow: [], deny: [] });
});
