/** A room in a React page, from the npm package. */
import { useCallback, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import type { TandemEmbed } from "tandem-room";
import "tandem-room";

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "tandem-room": React.HTMLAttributes<TandemEmbed> & {
        ref?: React.Ref<TandemEmbed>;
        src?: string;
        room?: string;
        token?: string | undefined;
        bar?: "shown" | "hidden";
        panel?: "shown" | "hidden";
      };
    }
  }
}

const src = document.querySelector<HTMLMetaElement>('meta[name="tandem"]')?.content ?? "";

async function mint(renews?: string): Promise<{ id: string; token: string }> {
  const asked = new URLSearchParams(location.search);
  if (renews) asked.set("renews", renews);
  return (await fetch(`../token?${asked}`)).json();
}

function Dashboard() {
  const room = useRef<TandemEmbed>(null);
  const [made, setMade] = useState<{ id: string; token: string }>();
  const [state, setState] = useState("Opening");
  const [page, setPage] = useState("");
  const [shown, setShown] = useState(true);
  const renew = useCallback(async () => setMade(await mint(made?.id)), [made]);
  const open = shown && made !== undefined;

  useEffect(() => {
    void mint().then(setMade);
  }, []);
  useEffect(() => {
    const element = room.current;
    if (!open || !element) return;
    const ends = new AbortController();
    const { signal } = ends;
    element.addEventListener("state", ({ detail }) => setState(detail.message ?? "Live"), {
      signal,
    });
    element.addEventListener("ready", ({ detail }) => setState(`Live, as ${detail.you?.name}`), {
      signal,
    });
    element.addEventListener("navigated", ({ detail }) => setPage(detail.title), { signal });
    element.addEventListener("token-expiring", () => void renew(), { signal });
    return () => ends.abort();
  }, [renew, open]);

  return (
    <main>
      <section className="card room">
        {open && <tandem-room ref={room} src={src} room="main" token={made.token} panel="shown" />}
      </section>
      <aside className="card">
        <h2>Supplier portal</h2>
        <p id="state">{state}</p>
        <p id="page">{page}</p>
        <div className="acts">
          <button type="button" onClick={() => room.current?.takeover()}>
            Take over
          </button>
          <button type="button" id="toggle" onClick={() => setShown(was => !was)}>
            {shown ? "Close" : "Open"}
          </button>
        </div>
      </aside>
    </main>
  );
}

const app = document.getElementById("app");
if (app) createRoot(app).render(<Dashboard />);
