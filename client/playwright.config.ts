import { defineConfig } from "@playwright/test";

/**
 * The viewer in these tests is Debian's Chromium, headless. Its own sandbox is
 * switched off only where the tests run as root, which has none.
 */
const asRoot = process.getuid?.() === 0;

export default defineConfig({
  testDir: "e2e",
  testMatch: "**/*.spec.ts",
  // Each test starts a server with a real display and browser: one at a time.
  workers: 1,
  fullyParallel: false,
  // What fails and then passes is printed as flaky: a fault to be found.
  retries: process.env.CI ? 1 : 0,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [["list"]],
  use: {
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.TANDEM_E2E_CHROMIUM ?? "/usr/bin/chromium",
      args: [...(asRoot ? ["--no-sandbox"] : []), "--autoplay-policy=no-user-gesture-required"],
    },
  },
});
