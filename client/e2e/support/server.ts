/**
 * A real `tandem serve` for one test: its own ports, its own data, its own
 * pages on loopback. Ended, and checked for orphans, when the test is over.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const PROGRAM = process.env.TANDEM_E2E_PROGRAM ?? resolve("../target/debug/tandem");
export const ADMIN_TOKEN = "tdm_e2e-admin-0123456789abcdef0123456789";

export class Tandem {
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(
    readonly port: number,
    readonly rtcPort: number,
    readonly dataDir: string,
    readonly startUrl: string,
    readonly more: readonly string[],
  ) {}

  /** `more` are further arguments of `tandem serve`. */
  static async start(startUrl: string, more: readonly string[] = []): Promise<Tandem> {
    const dataDir = await mkdtemp(join(tmpdir(), "tandem-e2e-"));
    await chmod(dataDir, 0o755);
    const tandem = new Tandem(await freePort(), await freePort(), dataDir, startUrl, more);
    await tandem.launch();
    return tandem;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.#log;
  }

  /** The page of a room, with a token to come in with. */
  page(token = ADMIN_TOKEN, query = ""): string {
    return `${this.origin}/rooms/main?token=${token}${query}`;
  }

  async launch(): Promise<void> {
    const child = spawn(
      PROGRAM,
      [
        "serve",
        ...["--listen", `127.0.0.1:${this.port}`],
        ...["--rtc-listen", `127.0.0.1:${this.rtcPort}`],
        ...["--data-dir", this.dataDir],
        ...["--start-url", this.startUrl],
        // The tests' pages are on this machine.
        ...["--egress-allow", "127.0.0.0/8"],
        ...this.more,
      ],
      {
        env: { ...process.env, TANDEM_ADMIN_TOKEN: ADMIN_TOKEN },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    this.#child = child;
    let out = "";
    await new Promise<void>((ready, failed) => {
      const timer = setTimeout(() => failed(new Error(`not ready in 20 s:\n${this.#log}`)), 20_000);
      child.stdout?.on("data", (data: Buffer) => {
        out += data;
        if (out.includes("Tandem is ready")) {
          clearTimeout(timer);
          ready();
        }
      });
      child.stderr?.on("data", (data: Buffer) => {
        this.#log += data;
      });
      child.once("exit", (code, signal) => {
        clearTimeout(timer);
        failed(new Error(`ended with ${code ?? signal}:\n${this.#log}`));
      });
    });
  }

  /** Sends a signal and waits for the end; answers how long it took, in ms. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return 0;
    const start = performance.now();
    const ended = new Promise(done => child.once("exit", done));
    child.kill(signal);
    await ended;
    return performance.now() - start;
  }

  /** Processes of this server's rooms that are alive, as `pid name`. */
  async processes(): Promise<string[]> {
    const mark = `TANDEM_RUN=${this.dataDir}`;
    const found: string[] = [];
    for (const pid of await readdir("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        const environ = await readFile(`/proc/${pid}/environ`, "latin1");
        if (!environ.split("\0").some(entry => entry.startsWith(mark))) continue;
        found.push(`${pid} ${(await readFile(`/proc/${pid}/comm`, "utf8")).trim()}`);
      } catch {
        // It ended while we looked, or belongs to the kernel.
      }
    }
    return found;
  }

  async close(): Promise<void> {
    await this.end("SIGTERM");
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** A call of the API as the admin, or with another token. */
  async api(method: string, path: string, body?: unknown, token: string | null = ADMIN_TOKEN) {
    const headers: Record<string, string> = {};
    if (token) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const init: RequestInit = { method, headers };
    if (body !== undefined) init.body = JSON.stringify(body);
    return fetch(`${this.origin}${path}`, init);
  }

  /** Makes a token and answers its text. */
  async token(role: string, name: string): Promise<string> {
    const answer = await this.api("POST", "/api/rooms/main/tokens", { role, name });
    if (!answer.ok) throw new Error(`no token: ${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { token: string }).token;
  }
}

/** A free port, but none that Linux takes for connections on their way out: it could be gone again. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    const server = createServer();
    const free = await new Promise<boolean>(done => {
      server.once("error", () => done(false));
      server.listen(port, "127.0.0.1", () => done(true));
    });
    if (!free) continue;
    await new Promise(closed => server.close(closed));
    return port;
  }
}
