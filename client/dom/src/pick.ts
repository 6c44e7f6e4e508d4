/** Asks the server what lies at a place of the picture, in the tab that is shown. */
import type { Picked } from "../../core/src/protocol.ts";
import { ApiError, refusalOf } from "./sessions-api.ts";
import { roomUrl } from "./socket.ts";

const WITHIN_MS = 20_000;

export async function pickAt(
  src: string,
  room: string,
  at: { x: number; y: number },
): Promise<Picked> {
  let answer: Response;
  try {
    answer = await fetch(roomUrl({ base: src, room }, "/pick"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ x: Math.round(at.x), y: Math.round(at.y) }),
      signal: AbortSignal.timeout(WITHIN_MS),
    });
  } catch {
    throw new ApiError(0, "unreachable", "The server did not answer. Pick it again.");
  }
  if (!answer.ok) throw await refusalOf(answer);
  return (await answer.json()) as Picked;
}
