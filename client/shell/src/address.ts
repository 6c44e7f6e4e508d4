/** What the page's address says: which room, and how to look at it. */
export interface Address {
  /** The path below which the server stands on its site; empty for none. */
  base: string;
  room: string;
  /** Only if the server left it there; it is taken out of the address at once. */
  token: string | null;
  codecs: string | null;
  viewOnly: boolean;
  /** What the address should read instead; null when it is well as it is. */
  tidy: string | null;
}

export function readAddress(location: { pathname: string; search: string }): Address {
  // A base may itself have a part named rooms; the last one is ours.
  const [, before, found] =
    /^(.*)\/rooms\/([a-z0-9][a-z0-9-]{0,31})\/?$/.exec(location.pathname) ?? [];
  const base = before ?? "";
  const room = found ?? "main";
  const query = new URLSearchParams(location.search);
  const token = query.get("token");
  query.delete("token");
  const rest = query.size > 0 ? `?${query}` : "";
  const tidy = token !== null || !found ? `${base}/rooms/${room}${rest}` : null;
  return { base, room, token, codecs: query.get("codecs"), viewOnly: query.has("view-only"), tidy };
}
