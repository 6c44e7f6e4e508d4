/** What goes along with a prompt: files as the API takes them, and a picked element as words. */
import { shownText } from "../../../core/src/approvals.ts";
import type { Picked } from "../../../core/src/protocol.ts";
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
export const withKey = (file: Omit<Attached, "key">): Attached => {
  keys += 1;
  return { ...file, key: keys };
};
const made = (name: string, mime: string, data: string): Attached => withKey({ name, mime, data });

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

/** A picked element in words for the agent: what it is, and how it is found again. */
export function wordsOfPicked(picked: Picked): string {
  const named = picked.name || picked.text.slice(0, 80);
  const name = named ? ` “${shownText(named)}”` : "";
  const frame = picked.frame === null ? "" : ` (in the frame ${picked.frame})`;
  return `The element ${picked.role}${name} on ${picked.url}${frame}\n\`${picked.locator}\`\n`;
}
