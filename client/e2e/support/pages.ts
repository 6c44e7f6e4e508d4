/** The pages that the shared browser shows in the tests, and what they report. */

import { createServer, type Server } from "node:http";

/** Flips between red and blue at every press, and reports presses, keys and text. */
const COLOUR = `<!doctype html><meta charset="utf-8"><title>Colour</title>
<style>body{margin:0;background:rgb(200,30,30);font:16px sans-serif}
input,button{position:absolute;left:40px;width:400px;height:40px;font-size:20px}
input{top:40px}button{top:120px}</style>
<input aria-label="Words"><button>Turn green</button>
<script>
const report = (what) => fetch("/report", {method: "POST", body: JSON.stringify(what)});
let blue = false;
addEventListener("pointerdown", (event) => {
  report({kind: "press", x: event.clientX, y: event.clientY, button: event.button});
  if (event.target !== document.body && event.target !== document.documentElement) return;
  blue = !blue;
  document.body.style.background = blue ? "rgb(30,30,200)" : "rgb(200,30,30)";
});
document.querySelector("button").onclick = () => { document.body.style.background = "rgb(20,160,40)"; };
document.querySelector("input").oninput = (event) => report({kind: "text", text: event.target.value});
addEventListener("wheel", (event) => report({kind: "wheel", dy: event.deltaY}));
addEventListener("keydown", (event) => report({kind: "key", key: event.key, ctrl: event.ctrlKey}));
report({kind: "loaded", width: innerWidth, height: innerHeight});
addEventListener("resize", () => report({kind: "resized", width: innerWidth, height: innerHeight}));
</script>`;

const SECOND = `<!doctype html><meta charset="utf-8"><title>Second</title>
<body style="background:rgb(230,200,20)"><h1>Second page</h1><script>
fetch("/report", {method: "POST", body: JSON.stringify({kind: "second"})});</script>`;

export interface Report {
  kind: string;
  [key: string]: unknown;
}

export class Pages {
  readonly reports: Report[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(
    readonly server: Server,
    readonly origin: string,
  ) {}

  static async serve(): Promise<Pages> {
    const server = createServer();
    await new Promise<void>(listening => server.listen(0, "127.0.0.1", listening));
    const address = server.address();
    if (typeof address !== "object" || !address) throw new Error("no address");
    const pages = new Pages(server, `http://127.0.0.1:${address.port}`);
    server.on("request", (request, response) => {
      if (request.method === "POST") {
        let body = "";
        request.on("data", data => {
          body += data;
        });
        request.on("end", () => {
          pages.reports.push(JSON.parse(body));
          for (const wake of pages.#waiting) wake();
          response.end();
        });
        return;
      }
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(request.url === "/second" ? SECOND : COLOUR);
    });
    return pages;
  }

  get colour(): string {
    return `${this.origin}/colour`;
  }

  get second(): string {
    return `${this.origin}/second`;
  }

  /** Waits for a report that fits, past ones included. */
  async until(fits: (report: Report) => boolean, what: string, within = 15_000): Promise<Report> {
    const deadline = Date.now() + within;
    for (;;) {
      const found = this.reports.find(fits);
      if (found) return found;
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new Error(
          `the page never reported ${what}; it reported ${JSON.stringify(this.reports.slice(-10))}`,
        );
      }
      await new Promise<void>(woken => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          woken();
        };
        const timer = setTimeout(wake, left);
        this.#waiting.add(wake);
      });
    }
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise(closed => this.server.close(closed));
  }
}
