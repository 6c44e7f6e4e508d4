/**
 * Somebody's dashboard, as small as it can be: it serves the examples and, to
 * its own pages alone, tokens that it gets from Tandem. The admin's token stays
 * here; the browser gets short ones that are for this origin.
 *
 *   TANDEM=http://127.0.0.1:8080 TANDEM_ADMIN_TOKEN=… node examples/server.mjs [port]
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};
const here = import.meta.dirname;

/** Asks Tandem for a token for one person who looks at this site. */
async function mint(settings, origin, asked) {
  const body = {
    role: asked.role ?? "controller",
    name: asked.name ?? "Ada",
    origin,
    expires_in_seconds: asked.seconds ?? 600,
    ...(asked.colour ? { colour: asked.colour } : {}),
    ...(asked.renews ? { renews: asked.renews } : {}),
    ...(asked.singleUse ? { single_use: true } : {}),
  };
  const answer = await fetch(`${settings.tandem}/api/rooms/main/tokens`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${settings.admin}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`Tandem said ${answer.status}: ${await answer.text()}`);
  const { id, token, expires_at } = await answer.json();
  return { src: settings.tandem, room: "main", id, token, expires_at };
}

export function dashboard(settings) {
  return createServer(async (request, response) => {
    const end = (status, type, body) => {
      response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
      response.end(body);
    };
    try {
      const url = new URL(request.url, `http://${request.headers.host}`);
      if (url.pathname === "/token") {
        // Here a real dashboard looks at who is signed in, and makes the token for that person.
        const asked = Object.fromEntries(url.searchParams);
        if (asked.seconds) asked.seconds = Number(asked.seconds);
        const made = await mint(settings, settings.origin ?? url.origin, asked);
        return end(200, "application/json", JSON.stringify(made));
      }
      const path = url.pathname.endsWith("/") ? `${url.pathname}index.html` : url.pathname;
      const inside = normalize(path).replace(/^([./\\])+/, "");
      const built = join(here, "dist", inside);
      const plain = join(here, inside);
      const body = await readFile(built).catch(() => readFile(plain));
      const type = TYPES[extname(inside)] ?? "application/octet-stream";
      const text = type.startsWith("text/html")
        ? body.toString().replaceAll("%TANDEM%", settings.tandem)
        : body;
      end(200, type, text);
    } catch (error) {
      const missing = error?.code === "ENOENT" || error?.code === "EISDIR";
      end(missing ? 404 : 502, "text/plain", missing ? "not found" : String(error));
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tandem = process.env.TANDEM ?? "http://127.0.0.1:8080";
  const admin = process.env.TANDEM_ADMIN_TOKEN;
  if (!admin) throw new Error("Set TANDEM_ADMIN_TOKEN to the admin's token of your Tandem.");
  const port = Number(process.argv[2] ?? 8090);
  dashboard({ tandem, admin }).listen(port, "127.0.0.1", () => {
    console.log(`The examples: http://localhost:${port}/plain/ /iframe/ /react/ /vue/`);
  });
}
