/** The server's doors for this page. What it refuses comes as an error in its words. */
import { withoutPlace } from "../../../core/src/entries.ts";
import { below } from "../../../dom/src/socket.ts";

/** Where the server stands: the page is at `/admin` below it. */
export const base = location.origin + location.pathname.replace(/\/admin\/?$/, "");

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const LONGEST_MS = 35_000;

/** Asks, and gives the answer's JSON; nothing for an answer without a body. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(below(base, path), {
    method,
    signal: AbortSignal.timeout(LONGEST_MS),
    ...(body === undefined ? {} : { body: text, headers: { "content-type": "application/json" } }),
  });
  if (!answer.ok) throw await refusal(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** The same for a document whose text is wanted as it is. */
export async function askText(path: string): Promise<string> {
  const answer = await fetch(below(base, path), { signal: AbortSignal.timeout(LONGEST_MS) });
  if (!answer.ok) throw await refusal(answer);
  return answer.text();
}

async function refusal(answer: Response): Promise<Refused> {
  const told: unknown = await answer.json().catch(() => null);
  const error = (told as { error?: { code?: string; message?: string } } | null)?.error;
  const { code = "", message = `the server answered ${answer.status}` } = error ?? {};
  return new Refused(answer.status, code, withoutPlace(message));
}

/** What went wrong, as a sentence. */
export function words(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

export const room = (id: string, rest = ""): string => `api/rooms/${encodeURIComponent(id)}${rest}`;
