// A person's browser, from outside: opens the doctor's page and then the room
// itself by the address that the server printed, and prints as one line of JSON
// what they say and by which way the picture came. Used by net.sh and docker.sh.
// With `reach`, an agent goes to each address in REACH: what it is told of each.
//   node tests/visit.mjs ADDRESS [doctor] [room] [reach]
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const client = fileURLToPath(new URL("../client/package.json", import.meta.url));
const { chromium } = createRequire(client)("@playwright/test");
const [address, ...what] = process.argv.slice(2);
const room = new URL(address);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  chromiumSandbox: false,
  // The certificate is the test's own.
  args: [
    "--ignore-certificate-errors",
    "--disable-quic",
    // A name of the test's own, where there is no DNS for it.
    ...(process.env.RESOLVE ? [`--host-resolver-rules=MAP ${process.env.RESOLVE}`] : []),
  ],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true });
// What the room's page connects with is looked at from here.
await context.addInitScript(() => {
  const Real = RTCPeerConnection;
  window.lines = [];
  window.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      window.lines.push(this);
    }
  };
});
const told = {};
try {
  if (what.includes("doctor")) {
    const page = await context.newPage();
    const at = new URL(room);
    at.pathname = at.pathname.replace(/\/rooms\/[^/]+$/, "/doctor");
    await page.goto(at.href);
    await page.waitForSelector("html[data-done]", { timeout: 60_000 });
    told.address = page.url();
    told.doctor = await page.evaluate(() => ({
      sum: document.getElementById("sum")?.textContent,
      verdict: document.documentElement.dataset.verdict,
      ...Object.fromEntries(
        [...document.querySelectorAll("li")].map(line => [
          line.dataset.way,
          `${line.dataset.verdict}: ${line.querySelector("span")?.textContent}`,
        ]),
      ),
    }));
    await page.close();
  }
  if (what.includes("reach")) {
    const page = await context.newPage();
    await page.goto(new URL("/doctor", room).href);
    told.reach = await page.evaluate(
      async ({ token, addresses }) => {
        const answers = {};
        for (const url of addresses) {
          const answer = await fetch("/api/rooms/main/tools/browser_navigate", {
            method: "POST",
            headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
            body: JSON.stringify({ url }),
          });
          const { isError, content } = await answer.json();
          answers[url] = `${isError ? "refused" : answer.status}: ${content?.[0]?.text?.slice(0, 200)}`;
        }
        return answers;
      },
      { token: room.searchParams.get("token"), addresses: process.env.REACH.split(" ") },
    );
    await page.close();
  }
  if (what.includes("room")) {
    const page = await context.newPage();
    await page.goto(room.href);
    told.room = page.url();
    const look = () =>
      page.evaluate(async () => {
        for (const line of window.lines) {
          const all = [...(await line.getStats()).values()];
          const inbound = all.find(one => one.type === "inbound-rtp");
          const transport = all.find(one => one.type === "transport");
          const by = id => all.find(one => one.id === id);
          const pair = by(transport?.selectedCandidatePairId);
          if (!(inbound?.framesDecoded > 0) || !pair) continue;
          const local = by(pair.localCandidateId);
          const remote = by(pair.remoteCandidateId);
          return {
            picture: `${inbound.frameWidth}x${inbound.frameHeight}`,
            way: local.candidateType === "relay" ? `turn-${local.relayProtocol}` : local.protocol,
            to: `${remote.address}:${remote.port}`,
          };
        }
        return null;
      });
    // Where there is to be none, the page's own words are what is asked for.
    if (what.includes("refused")) {
      const words = process.env.WORDS ?? "Upgrade";
      await page.waitForFunction(
        words => document.querySelector("tandem-room")?.shadowRoot?.textContent?.includes(words),
        words,
        { timeout: 45_000 },
      );
      told.words = words;
    } else {
      // Figures of a connection cannot be awaited; they are looked at again and again.
      const end = Date.now() + 45_000;
      while (!told.picture && Date.now() < end) {
        told.picture = await look();
        if (!told.picture) await page.waitForTimeout(200);
      }
    }
    await page.close();
  }
} catch (error) {
  told.error = String(error).split("\n")[0];
} finally {
  await browser.close();
}
console.log(JSON.stringify(told));
process.exitCode = told.error ? 1 : 0;
