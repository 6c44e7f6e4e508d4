/** The doctor's page, in the language of who looks. */

import { faults, look } from "./support/admin.ts";
import { expect, test } from "./support/fixture.ts";
import { ADMIN_TOKEN } from "./support/server.ts";

test("the doctor speaks the browser's language, or the one that its address asks for", async ({
  browser,
  tandem,
}) => {
  const visit = await browser.newContext({ locale: "de-DE" });
  const page = await visit.newPage();
  await page.goto(`${tandem.origin}/doctor?token=${ADMIN_TOKEN}`);
  await expect(page).toHaveTitle("Tandem: der Weg zum Bild");
  await expect(page.getByRole("heading", { name: "Welchen Weg das Bild nimmt" })).toBeVisible();
  await expect(page.getByRole("status")).toHaveText(
    "Dieser Browser bekommt das Bild über UDP, direkt. Das ist der beste Weg.",
  );
  const way = (id: string) => page.locator(`[data-way="${id}"]`);
  await expect(way("socket")).toContainText("Öffnet sich und überträgt Nachrichten.");
  for (const id of ["udp", "tcp"]) {
    await expect(way(id)).toHaveAttribute("data-verdict", "ok");
    await expect(way(id)).toContainText(/direkt zu 127\.0\.0\.1, Port \d+/);
  }
  await expect(way("turn")).toContainText("Es ist kein TURN-Server eingerichtet");
  await expect(way("address")).toContainText("kommst von 127.0.0.1.");
  await expect(way("store")).toContainText("Alles gut.");
  expect(await page.locator("html").getAttribute("lang")).toBe("de");
  expect(await faults(page)).toEqual([]);
  await look(page, "doctor-de");

  await page.goto(`${tandem.origin}/doctor?lang=en`);
  await expect(page.getByRole("heading", { name: "Which way the picture takes" })).toBeVisible();
  await expect(page.getByRole("status")).toHaveText(/over UDP, directly/);
  expect(await page.locator("html").getAttribute("lang")).toBe("en");
  await visit.close();
});
