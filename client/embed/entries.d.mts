import type { InlineConfig } from "vite";

export function entry(
  source: string,
  how: { out: string; format: "es" | "iife"; name: string; write?: boolean },
): InlineConfig;
