import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { expect, it } from "vitest";
import { entry } from "../entries.mjs";

/** What the element may weigh for whoever embeds it: promised, so enforced. */
const MOST_BYTES = 40 * 1024;

it.each([
  ["the npm package", "index.ts", "es"],
  ["the script of the server", "script.ts", "iife"],
  ["the library alone", "library.ts", "es"],
] as const)(
  "%s is at most 40 KB compressed, and one file",
  async (what, source, format) => {
    const options = entry(source, { out: "", format, name: "out.js", write: false });
    const made = (await build(options)) as Rolldown.RolldownOutput[];
    const files = made.flatMap(each => each.output);
    expect(files).toHaveLength(1);
    const [file] = files;
    const code = file?.type === "chunk" ? file.code : "";
    const size = gzipSync(code, { level: 9 }).length;
    console.info(`${what}: ${(size / 1024).toFixed(1)} KB of ${MOST_BYTES / 1024} KB compressed`);
    expect(size).toBeGreaterThan(1024);
    expect(size).toBeLessThanOrEqual(MOST_BYTES);
    const imports = file?.type === "chunk" ? [...file.imports, ...file.dynamicImports] : [];
    expect(imports).toEqual([]);
  },
  60_000,
);
