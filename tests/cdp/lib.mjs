// What the scripts share: the libraries, which live with the client's
// development dependencies, and checks that say what they expected.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(fileURLToPath(new URL('../../client/package.json', import.meta.url)));

export const { chromium } = require('playwright-core');
export const puppeteer = require('puppeteer-core').default ?? require('puppeteer-core');

/** The room's address (http://host:port/cdp/main), a token, and a site of test pages. */
export const { ROOM, TOKEN, SITE } = process.env;
export const headers = { Authorization: `Bearer ${TOKEN}` };
export const socket = `${ROOM.replace(/^http/, 'ws')}?token=${TOKEN}`;

export function check(what, got, wanted) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`);
}

/** The error of something that must fail. */
export async function failure(what, promise) {
  try {
    await promise;
  } catch (error) {
    return String(error.message ?? error);
  }
  throw new Error(`${what}: it did not fail`);
}

/** Runs the script's steps and says how it went by the exit code. */
export async function main(steps) {
  try {
    await steps();
    console.log('passed');
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
