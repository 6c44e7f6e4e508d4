// ChromeDriver, which takes a host and a port only: through `tandem cdp`.
import { spawn } from 'node:child_process';
import { check, main, SITE } from './lib.mjs';

const { BRIDGE } = process.env;

await main(async () => {
  const driver = spawn('chromedriver', ['--port=0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await new Promise((done, failed) => {
      let text = '';
      driver.stdout.on('data', (data) => {
        text += data;
        const found = /successfully on port (\d+)/.exec(text);
        if (found) done(found[1]);
      });
      driver.once('error', failed).once('exit', (code) => failed(new Error(`chromedriver ended with ${code}: ${text}`)));
    });
    const ask = async (method, path, body) => {
      const init = { method, body: body && JSON.stringify(body) };
      const { value } = await (await fetch(`http://127.0.0.1:${port}${path}`, init)).json();
      if (value?.error) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
      return value;
    };
    const capabilities = { alwaysMatch: { 'goog:chromeOptions': { debuggerAddress: BRIDGE } } };
    const { sessionId } = await ask('POST', '/session', { capabilities });
    const at = `/session/${sessionId}`;
    const before = await ask('GET', `${at}/window/handles`);
    const made = await ask('POST', `${at}/window/new`, { type: 'tab' });
    await ask('POST', `${at}/window`, { handle: made.handle });
    await ask('POST', `${at}/url`, { url: `${SITE}/form` });
    check('title', await ask('GET', `${at}/title`), 'Form');
    const find = async (value) =>
      Object.values(await ask('POST', `${at}/element`, { using: 'css selector', value }))[0];
    await ask('POST', `${at}/element/${await find('#name')}/value`, { text: 'Edsger' });
    await ask('POST', `${at}/element/${await find('button')}/click`, {});
    check('greeting', await ask('GET', `${at}/element/${await find('#out')}/text`), 'Hello, Edsger');
    check('a screenshot', (await ask('GET', `${at}/screenshot`)).length > 1000, true);
    await ask('DELETE', `${at}/window`);
    await ask('POST', `${at}/window`, { handle: before[0] });
    await ask('DELETE', at);
  } finally {
    driver.kill();
  }
});
