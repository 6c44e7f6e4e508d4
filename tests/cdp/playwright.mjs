// Playwright as it is: both kinds of address, pages in the shared context and
// in one of its own, two clients at once, the end of one.
import { check, chromium, failure, headers, main, ROOM, SITE, socket } from './lib.mjs';

await main(async () => {
  const one = await chromium.connectOverCDP(ROOM, { headers });
  const two = await chromium.connectOverCDP(socket);
  const shared = one.contexts()[0];
  check('the shared context has the tab that was there', shared.pages().length >= 1, true);

  const page = await shared.newPage();
  await page.goto(`${SITE}/form`);
  check('title', await page.title(), 'Form');
  await page.getByLabel('Name').fill('Ada');
  await page.getByRole('button', { name: 'Greet' }).click();
  check('greeting', await page.locator('#out').textContent(), 'Hello, Ada');
  await page.getByLabel('Name').press('End');
  await page.keyboard.type(' L.');
  check('typed', await page.getByLabel('Name').inputValue(), 'Ada L.');
  await page.getByLabel('Colour').selectOption('green');
  check('chosen', await page.getByLabel('Colour').inputValue(), 'green');
  const png = await page.screenshot();
  check('a screenshot is a PNG', png.subarray(1, 4).toString(), 'PNG');

  // The other client sees the page and works on it at the same time.
  const seen = two.contexts()[0].pages().find((page) => page.url() === `${SITE}/form`);
  check('seen by the other', await seen.locator('#out').textContent(), 'Hello, Ada');
  await Promise.all([
    page.getByLabel('Name').fill('Bob'),
    two.contexts()[0].newPage().then((page) => page.close()),
  ]);

  // A context of its own: cookies apart, and hidden from the other client.
  const own = await one.newContext({ viewport: { width: 640, height: 480 }, colorScheme: 'dark' });
  await own.addCookies([{ name: 'who', value: 'one', url: SITE }]);
  const inside = await own.newPage();
  await inside.goto(`${SITE}/form`);
  check('its cookie', await inside.evaluate(() => document.cookie), 'who=one');
  check('its viewport', await inside.evaluate(() => [innerWidth, innerHeight]), [640, 480]);
  check('its colours', await inside.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches), true);
  check('no cookie outside', await page.evaluate(() => document.cookie), '');
  check('hidden from the other', two.contexts()[0].pages().includes(inside), false);
  check(
    'the other has as many pages as are shared',
    two.contexts().flatMap((context) => context.pages()).length,
    shared.pages().length,
  );
  const [popup] = await Promise.all([own.waitForEvent('page'), inside.getByRole('link', { name: 'New tab' }).click()]);
  await popup.waitForLoadState();
  check('popup', await popup.title(), 'Form');

  // What would change what people see is refused where people look.
  const refused = await failure('emulation', page.emulateMedia({ colorScheme: 'dark' }));
  check('refused with a reason', refused.includes('browser context of your own'), true);

  // Dialogs that it made the page open are its own, also when nobody listens.
  await page.evaluate(() => { setTimeout(() => { window.answer = confirm('Sure?'); }, 0); });
  await page.waitForFunction(() => 'answer' in window);
  check('dismissed', await page.evaluate(() => window.answer), false);
  page.once('dialog', (dialog) => dialog.accept('yes'));
  check('prompt', await page.evaluate(() => prompt('Well?')), 'yes');

  // Downloads of its own context come to it.
  const [download] = await Promise.all([inside.waitForEvent('download'), inside.getByRole('link', { name: 'File' }).click()]);
  check('download', download.suggestedFilename(), 'file.txt');

  await page.close();
  const left = shared.pages().length;
  await one.close();
  check('the other goes on', two.isConnected(), true);
  const again = await chromium.connectOverCDP(ROOM, { headers });
  check('its context has gone', again.contexts().length, 1);
  check('its pages have gone', again.contexts()[0].pages().length, left);
  const session = await again.newBrowserCDPSession();
  await session.send('Browser.close').catch(() => {});
  await two.contexts()[0].pages()[0].title();
  await two.close();
});
