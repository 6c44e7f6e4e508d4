// Puppeteer as it is, with its default viewport, which the room's window ignores.
import { check, headers, main, puppeteer, ROOM, SITE, socket } from './lib.mjs';

await main(async () => {
  const browser = await puppeteer.connect({ browserWSEndpoint: socket });
  const pages = await browser.pages();
  check('there is a page', pages.length >= 1, true);
  const page = await browser.newPage();
  await page.goto(`${SITE}/form`);
  check('title', await page.title(), 'Form');
  await page.type('#name', 'Grace');
  await page.click('button');
  check('greeting', await page.$eval('#out', (out) => out.textContent), 'Hello, Grace');
  await page.waitForSelector('#out');
  check('a screenshot', (await page.screenshot()).length > 1000, true);

  const context = await browser.createBrowserContext();
  const inside = await context.newPage();
  await inside.setViewport({ width: 500, height: 400 });
  await inside.goto(`${SITE}/form`);
  check('its viewport', await inside.evaluate(() => innerWidth), 500);
  await context.setCookie({ name: 'who', value: 'pup', domain: new URL(SITE).hostname });
  check('its cookie', (await context.cookies()).length, 1);
  await context.close();
  await page.close();

  // By http, as `browserURL`; the address goes with the header.
  const version = await (await fetch(`${ROOM}/json/version`, { headers })).json();
  const other = await puppeteer.connect({ browserWSEndpoint: version.webSocketDebuggerUrl, headers });
  check('version', (await other.version()).startsWith('Chrome/'), true);
  await other.close();
  check('the first goes on', browser.connected, true);
  await browser.disconnect();
});
