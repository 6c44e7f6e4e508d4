/** The page of whoever administers the server, opened and looked at. */

import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { ADMIN_TOKEN, type Tandem } from "./server.ts";

export const open = (page: Page, tandem: Tandem, section = "rooms", token = ADMIN_TOKEN) =>
  page.goto(`${tandem.origin}/admin?token=${token}&lang=en#${section}`);

/** What axe finds wrong, in lines. */
export async function faults(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(found => `${found.id}: ${found.nodes.map(node => node.html).join(" | ")}`);
}

/** A picture for a person who wants one: `LOOK=folder npx playwright test`. */
export async function look(page: Page, name: string): Promise<void> {
  if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/${name}.png` });
}
