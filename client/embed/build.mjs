/**
 * Builds what other pages load: into `dist` the scripts that the server gives
 * out, into `embed/dist` the npm package with its types.
 *
 *   node embed/build.mjs [--no-types]
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import solid from "vite-plugin-solid";
import { entry } from "./entries.mjs";

const client = join(import.meta.dirname, "..");
const embed = import.meta.dirname;
const served = join(client, "dist");
const npm = join(embed, "dist");

rmSync(npm, { recursive: true, force: true });
for (const [source, out, format, name] of [
  ["script.ts", served, "iife", "embed.js"],
  ["index.ts", served, "es", "embed.mjs"],
  ["page.ts", served, "es", "embed-page.js"],
  ["index.ts", npm, "es", "tandem-room.js"],
  ["library.ts", npm, "es", "library.js"],
]) {
  await build(entry(source, { out, format, name }));
}
// The conversation, which the element fetches when its panel is first shown.
const chat = entry("../../shell/src/embedded/chat.tsx", {
  out: served,
  format: "es",
  name: "embed-chat.mjs",
});
await build({ ...chat, plugins: [solid()] });
mkdirSync(served, { recursive: true });
copyFileSync(join(embed, "embed.html"), join(served, "embed.html"));

if (!process.argv.includes("--no-types")) {
  execFileSync(join(client, "node_modules/.bin/tsc"), ["-b", "embed"], {
    cwd: client,
    stdio: "inherit",
  });
  for (const part of ["core", "dom", "element", "embed"]) {
    const from = join(client, "node_modules/.cache/types", part, "src");
    cpSync(from, join(npm, "types", part, "src"), { recursive: true });
  }
}
