/** `@path` in a prompt: which files are meant, as what the API takes by reference. */
import type { Attachment } from "./sessions-model.ts";

/** As many as are looked up for one prompt; the server takes 32 files of all kinds. */
const MOST = 16;

/** What a model is shown as it is; all else is read as text. */
const MIMES: Readonly<Record<string, string>> = {
  gif: "image/gif",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  pdf: "application/pdf",
  png: "image/png",
  webp: "image/webp",
};

const mimeOf = (path: string): string => {
  if (path.endsWith("/")) return "application/x-directory";
  const ending = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  return MIMES[ending] ?? "text/plain";
};

/** What is written after `@`, once each, without the full stop of a sentence. */
export function mentionsIn(text: string): string[] {
  const found = [...text.matchAll(/(?:^|\s)@([^\s@]+)/g)].map(([, path]) => path ?? "");
  return [...new Set(found)].slice(0, MOST);
}

/** `isFile` says whether the project has it. What it does not have stays words. */
export async function referencesIn(
  text: string,
  isFile: (path: string) => Promise<boolean>,
): Promise<Attachment[]> {
  const meant = await Promise.all(
    mentionsIn(text).map(async written => {
      for (const path of [written, written.replace(/[.,;:!?)"']+$/, "")]) {
        if (path !== "" && (await isFile(path))) return path;
      }
      return null;
    }),
  );
  return [...new Set(meant)].flatMap(path =>
    path === null
      ? []
      : [{ name: path.split("/").filter(Boolean).at(-1) ?? path, mime: mimeOf(path), path }],
  );
}
