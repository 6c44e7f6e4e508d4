/** How one entry of the embedded client is bundled: one file, no framework, nothing beside it. */
import { join } from "node:path";

export function entry(source, { out, format, name, write = true }) {
  return {
    configFile: false,
    root: import.meta.dirname,
    logLevel: "warn",
    build: {
      write,
      outDir: out,
      emptyOutDir: false,
      target: "es2022",
      minify: true,
      modulePreload: { polyfill: false },
      // Vite leaves the white space of a library; whoever loads it does not need it.
      rolldownOptions: { output: { minify: true } },
      lib: {
        entry: join(import.meta.dirname, "src", source),
        formats: [format],
        name: "Tandem",
        fileName: () => name,
      },
    },
  };
}
