/** What goes along with a prompt: files as the API takes them, and a picked element as words. */
import { shownText } from "../../../core/src/approvals.ts";
import type { TandemRoom } from "../../../element/src/index.ts";

export interface Attached {
  key: number;
  name: string;
  mime: string;
  /** In base64. */
  data: string;
}

/** All of one prompt together; the server takes 16 MB of JSON. */
export const MOST_BYTES = 11 * 1024 * 1024;
/** A picture is shown to the model again at every step: it is made this wide at most. */
const WIDEST = 1280;

let keys = 0;
const made = (name: string, mime: string, data: string): Attached => {
  keys += 1;
  return { key: keys, name, mime, data };
};

export const sizeOf = (files: readonly Attached[]): number =>
  files.reduce((sum, file) => sum + file.data.length * 0.75, 0);

export const addressOf = (file: Attached): string => `data:${file.mime};base64,${file.data}`;

export async function fromFile(file: File): Promise<Attached> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  const mime = /^[\w.+-]+\/[\w.+-]+$/.test(file.type) ? file.type : "application/octet-stream";
  return made(file.name || "pasted.png", mime, btoa(text));
}

/** The picture of the room as it is now. */
export async function screenshotOf(room: TandemRoom): Promise<Attached | null> {
  const still = room.still();
  if (!still) return null;
  const image = new Image();
  image.src = still;
  await image.decode();
  const scale = Math.min(1, WIDEST / image.naturalWidth);
  if (scale === 1) return made("screenshot.jpg", "image/jpeg", still.split(",")[1] ?? "");
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.naturalWidth * scale);
  canvas.height = Math.round(image.naturalHeight * scale);
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const data = canvas.toDataURL("image/jpeg", 0.85).split(",")[1] ?? "";
  return made("screenshot.jpg", "image/jpeg", data);
}

/** Runs in the page: what lies at a pixel of the display, in few words. */
const LOOK = `() => {
  const frame = (outerWidth - innerWidth) / 2;
  const x = DX - screenX - frame, y = DY - screenY - (outerHeight - innerHeight - frame);
  const found = document.elementFromPoint(x, y);
  if (!found) return null;
  const all = "a,button,input,select,textarea,label,summary,[role],[onclick],img,h1,h2,h3,h4,td,th,li,p";
  const one = found.closest(all) ?? found;
  const path = [];
  for (let at = one; at && at !== document.documentElement && path.length < 6; at = at.parentElement) {
    if (at.id) { path.unshift("#" + CSS.escape(at.id)); break; }
    const same = at.parentElement ? [...at.parentElement.children].filter(n => n.localName === at.localName) : [];
    path.unshift(at.localName + (same.length > 1 ? ":nth-of-type(" + (same.indexOf(at) + 1) + ")" : ""));
  }
  const words = (one.getAttribute("aria-label") || one.innerText || one.value || one.alt || one.title || "").trim();
  return { tag: one.localName, role: one.getAttribute("role") ?? "", selector: path.join(" > "),
    words: words.replace(/\\s+/g, " ").slice(0, 200), html: one.outerHTML.slice(0, 300), url: location.href };
}`;

interface Picked {
  tag: string;
  role: string;
  selector: string;
  words: string;
  html: string;
  url: string;
}

interface ToolAnswer {
  isError?: boolean;
  content?: { type: string; text?: string }[];
  structuredContent?: unknown;
}

/** Words for the prompt about what lies at a pixel of the display; or why there are none. */
export async function elementAt(
  room: TandemRoom,
  at: { x: number; y: number },
): Promise<{ words: string } | { refused: string }> {
  const code = LOOK.replace("DX", String(Math.round(at.x))).replace("DY", String(Math.round(at.y)));
  const answer = (await room.call("browser_evaluate", { function: code })) as ToolAnswer | null;
  if (!answer) return { refused: "The connection to the room was lost. Pick it again." };
  const text = answer.content?.map(part => part.text ?? "").join("\n") ?? "";
  if (answer.isError) return { refused: text.replace(/^#+ \w+\s*/, "").split("\n")[0] ?? "" };
  const found = readPicked(answer.structuredContent) ?? readPicked(text);
  if (!found) return { refused: "Nothing of the page lies there. Pick it in the page itself." };
  const role = found.role || found.tag;
  const named = found.words ? ` “${shownText(found.words)}”` : "";
  return {
    words: `The element ${role}${named} on ${found.url}\n\`${found.selector}\`\n`,
  };
}

function readPicked(from: unknown): Picked | null {
  let value = from;
  if (typeof from === "string") {
    const [, json] = /(\{[\s\S]*\})/.exec(from.split(/\n### /)[0] ?? "") ?? [];
    try {
      value = JSON.parse(json ?? "null");
    } catch {
      return null;
    }
  }
  if (typeof value !== "object" || value === null) return null;
  const fields = value as Record<string, unknown>;
  if (typeof fields.selector === "string") return fields as unknown as Picked;
  // Structured answers have the value under a name of theirs.
  for (const inner of Object.values(fields)) {
    const found = typeof inner === "object" ? readPicked(inner) : null;
    if (found) return found;
  }
  return null;
}
