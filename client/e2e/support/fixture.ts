/** One server and one set of pages for each test; what is left running fails it. */

import { test as base, expect } from "@playwright/test";
import { Pages } from "./pages.ts";
import { Tandem } from "./server.ts";

export { expect };

export const test = base.extend<{ pages: Pages; tandem: Tandem }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures that are asked for.
  pages: async ({}, use) => {
    const pages = await Pages.serve();
    await use(pages);
    await pages.close();
  },
  tandem: async ({ pages }, use, info) => {
    const tandem = await Tandem.start(pages.colour);
    await use(tandem);
    if (info.status !== info.expectedStatus) await info.attach("server.log", { body: tandem.log });
    await tandem.close();
    await expect.poll(() => tandem.processes(), { message: "nothing is left running" }).toEqual([]);
  },
});
