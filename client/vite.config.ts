import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

export default defineConfig({
  root: import.meta.dirname,
  // The server puts its own path before these: it may stand below one.
  base: "./",
  plugins: [solid()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    assetsDir: "assets",
    target: "es2022",
    // Inlined assets would be data: addresses, which the page's policy refuses in places.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: ["index.html", "doctor.html", "admin.html"].map(
        page => `${import.meta.dirname}/${page}`,
      ),
    },
  },
});
