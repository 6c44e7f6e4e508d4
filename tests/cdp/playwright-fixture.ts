// What Playwright's own tests get here in the place of a browser that they
// launch: the browser of a room, over CDP. `launch` with a debugging port is
// `tandem cdp` on that port.
import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import os from 'node:os';
import { test as base, expect as baseExpect, chromium, type Browser, type BrowserContext } from '@playwright/test';
import { serverFixtures } from './serverFixtures';

export { rafraf } from './utils';

const { ROOM, TOKEN, TANDEM = 'tandem', SHARED } = process.env;
const headers = { Authorization: `Bearer ${TOKEN}` };
const connect = () => chromium.connectOverCDP(ROOM!, { headers });

async function listens(port: number, bridge: ChildProcess) {
  for (;;) {
    if (bridge.exitCode !== null) throw new Error(`tandem cdp ended with ${bridge.exitCode}`);
    const open = await new Promise<boolean>((done) => {
      const socket = net.connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** A browser on a debugging port, as the tests of connecting want it. */
async function launch(options: { args?: string[] } = {}): Promise<Browser> {
  const port = options.args?.find((arg) => arg.startsWith('--remote-debugging-port='))?.split('=')[1];
  const browser = await connect();
  if (!port) return browser;
  const server = ROOM!.replace(/\/cdp\/.*/, '');
  const args = ['cdp', '--server', server, '--room', 'main', '--listen', `127.0.0.1:${port}`];
  const bridge = spawn(TANDEM, args, { env: { ...process.env, TANDEM_TOKEN: TOKEN }, stdio: 'ignore' });
  await listens(Number(port), bridge);
  const close = browser.close.bind(browser);
  // A room always has a tab; those of earlier tests go.
  for (const page of browser.contexts()[0].pages().slice(1)) await page.close();
  browser.close = async () => {
    if (bridge.signalCode !== null || bridge.exitCode !== null) return close();
    const ended = new Promise((done) => bridge.once('exit', done));
    bridge.kill();
    await ended;
    await close();
  };
  return browser;
}

const browserType = new Proxy(chromium, {
  get: (target, name) => {
    if (name === 'launch') return launch;
    const value = Reflect.get(target, name);
    return typeof value === 'function' ? value.bind(target) : value;
  },
});

const worker = (value: unknown) => [value, { scope: 'worker', option: true }];

export const test = base.extend<any, any>({
  ...serverFixtures,
  mode: worker('default'),
  channel: worker(undefined),
  headless: worker(false),
  platform: worker('linux'),
  isWindows: worker(false),
  isMac: worker(false),
  isLinux: worker(true),
  macVersion: worker(0),
  nodeVersion: worker(process.versions.node),
  isAndroid: worker(false),
  isElectron: worker(false),
  isBidi: worker(false),
  isFrozenWebkit: worker(false),
  isHeadlessShell: worker(false),
  electronMajorVersion: worker(0),
  hostPlatform: worker(`${os.platform()}`),
  rewriteAndroidLoopbackURL: worker((url: string) => url),
  browserType: [async ({}, use: any) => use(browserType), { scope: 'worker' }],
  browser: [
    async ({}, use: any) => {
      const browser = await connect();
      await use(browser);
      await browser.close();
    },
    { scope: 'worker' },
  ],
  browserVersion: [async ({ browser }: any, use: any) => use(browser.version()), { scope: 'worker' }],
  browserMajorVersion: [
    async ({ browserVersion }: any, use: any) => use(Number(browserVersion.split('.')[0])),
    { scope: 'worker' },
  ],
  toImpl: async ({ playwright }: any, use: any) => use((object: any) => playwright._connection.toImpl(object)),
  contextFactory: async ({ browser }: any, use: any) => {
    const made: BrowserContext[] = [];
    await use(async (options: object) => {
      made.push(await browser.newContext(options));
      return made.at(-1);
    });
    for (const context of made) await context.close();
  },
  context: async ({ browser }: any, use: any) => {
    if (SHARED) return use(browser.contexts()[0]);
    const context = await browser.newContext();
    await use(context);
    await context.close();
  },
  page: async ({ context }: any, use: any) => {
    const before = new Set(context.pages());
    await use(await context.newPage());
    for (const page of context.pages()) if (!before.has(page)) await page.close().catch(() => {});
  },
});

export const browserTest = test;
export const playwrightTest = test;
export const contextTest = test;

export const expect = baseExpect.extend({
  toContainYaml(received: string, expected: string) {
    const lines = expected.split('\n').filter((line) => line.trim());
    const indent = Math.min(...lines.map((line) => line.match(/^\s*/)![0].length));
    const wanted = lines.map((line) => line.slice(indent)).join('\n');
    const pass = received.includes(wanted);
    return { pass, message: () => `expected\n${received}\n${pass ? 'not ' : ''}to contain\n${wanted}` };
  },
});
