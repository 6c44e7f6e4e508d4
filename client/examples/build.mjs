/** Builds the examples that need it, with the npm package as it lies in `embed/dist`. */
import { join } from "node:path";
import vue from "@vitejs/plugin-vue";
import { build } from "vite";

const here = import.meta.dirname;
const room = join(here, "../embed/dist/tandem-room.js");

for (const [name, plugins] of [
  ["react", []],
  [
    "vue",
    [vue({ template: { compilerOptions: { isCustomElement: tag => tag === "tandem-room" } } })],
  ],
]) {
  await build({
    configFile: false,
    root: join(here, name),
    base: "./",
    logLevel: "warn",
    plugins,
    resolve: { alias: { "tandem-room": room } },
    oxc: { jsx: { runtime: "automatic" } },
    build: { outDir: join(here, "dist", name), emptyOutDir: true, target: "es2022" },
  });
}
