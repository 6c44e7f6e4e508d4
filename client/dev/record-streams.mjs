/**
 * Records what the server tells of sessions, for the reducer's tests: the real
 * server, the real OpenCode and the scripted model. Each line is one update
 * with its place in the order.
 *
 *   cargo build --features bench && node dev/record-streams.mjs
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const here = import.meta.dirname;
const program =
  process.env.TANDEM_E2E_PROGRAM ?? join(here, "..", "..", "target", "debug", "tandem");
const TOKEN = "tdm_record-0123456789abcdef0123456789abcdef";
const dir = mkdtempSync(join(tmpdir(), "tandem-record-"));
const project = mkdtempSync(join(tmpdir(), "tandem-project-"));
chmodSync(dir, 0o755);
chmodSync(project, 0o777);

const model = spawn("node", [join(here, "..", "..", "tests", "copilot", "model.mjs")], {
  stdio: ["ignore", "pipe", "inherit"],
});
const [modelPort] = await once(createInterface(model.stdout), "line");
writeFileSync(
  join(project, "opencode.json"),
  JSON.stringify({
    provider: {
      scripted: {
        npm: "@ai-sdk/openai-compatible",
        name: "Scripted",
        options: { baseURL: `http://127.0.0.1:${modelPort}/v1`, apiKey: "none" },
        models: {
          scripted: {
            name: "Scripted",
            tool_call: true,
            limit: { context: 100_000, output: 4000 },
          },
        },
      },
    },
    model: "scripted/scripted",
    permission: { bash: "ask" },
  }),
);

const port = 20_000 + Math.floor(Math.random() * 20_000);
const server = spawn(
  program,
  [
    "serve",
    ...["--listen", `127.0.0.1:${port}`],
    ...["--rtc-listen", `127.0.0.1:${port + 1}`],
    ...["--data-dir", dir],
    ...["--start-url", "about:blank"],
    ...["--egress-allow", "127.0.0.0/8"],
    ...["--opencode-dir", project],
  ],
  { env: { ...process.env, TANDEM_ADMIN_TOKEN: TOKEN }, stdio: ["ignore", "pipe", "inherit"] },
);
for await (const line of createInterface(server.stdout))
  if (line.includes("Tandem is ready")) break;

const base = `http://127.0.0.1:${port}/api/rooms/main/sessions`;
const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
const ask = async (method, path, body) => {
  const init = { method, headers };
  if (body) init.body = JSON.stringify(body);
  const answer = await fetch(base + path, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
};

let session = null;
for (let tries = 0; !session; tries += 1) {
  session = await ask("POST", "", { title: "A task" }).catch(error => {
    if (tries > 20) throw error;
    return null;
  });
}

const seen = [];
let wake = () => {};
const stream = await fetch(`${base}/events`, { headers });
void (async () => {
  let rest = "";
  let id = "";
  for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("id: ")) id = line.slice(4);
      if (!line.startsWith("data: ")) continue;
      seen.push({ id, update: JSON.parse(line.slice(6)) });
      wake();
    }
  }
})().catch(() => {});
const until = async (from, fits) => {
  for (;;) {
    const index = seen.findIndex(({ update }, at) => at >= from && fits(update));
    if (index >= 0) return { index, update: seen[index].update };
    await new Promise(done => {
      wake = done;
    });
  }
};
const state = wanted => update =>
  update.type === "session" && update.session.id === session.id && update.session.state === wanted;

const out = join(here, "..", "core", "test", "streams");
/** One turn in a session of its own, from its prompt to its end. */
const record = async (name, text, during = async () => {}) => {
  session = await ask("POST", "", { title: "A task" });
  const from = seen.length;
  await ask("POST", `/${session.id}/messages`, { text });
  const { index: begun } = await until(from, state("busy"));
  await during(from);
  const over = update => state("idle")(update) || state("failed")(update);
  const { index: last } = await until(begun, over);
  const lines = seen
    .slice(from, last + 1)
    .filter(({ update }) => JSON.stringify(update).includes("ses_") && !isOfAnother(update));
  writeFileSync(
    join(out, `${name}.jsonl`),
    `${lines.map(line => JSON.stringify(line).replaceAll(project, "/srv/project")).join("\n")}\n`,
  );
  others.add(session.id);
  console.log(`${name}: ${lines.length} updates`);
};
/** What an earlier turn still has to say. */
const others = new Set();
const isOfAnother = update => [...others].some(id => JSON.stringify(update).includes(id));

const asked = async (from, type) =>
  (await until(from, update => update.type === type && update[type].input !== null)).update[type];

await record("words", "think about it for a while\nsay one two three four\nsay and five");
await record(
  "permission",
  `call bash ${JSON.stringify({ command: "echo yes", description: "Says yes" })}\nsay good`,
  async from => {
    const permission = await asked(from, "permission");
    const path = `/${session.id}/permissions/${permission.id}`;
    await ask("POST", path, { answer: "once" });
  },
);
await record(
  "rejected",
  `call bash ${JSON.stringify({ command: "rm -r .", description: "Removes all" })}\nsay then not`,
  async from => {
    const permission = await asked(from, "permission");
    const path = `/${session.id}/permissions/${permission.id}`;
    await ask("POST", path, { answer: "reject", message: "Keep it" });
  },
);
await record(
  "todos",
  `call todowrite ${JSON.stringify({ todos: [{ content: "one", status: "in_progress", priority: "high" }] })}` +
    `\ncall write ${JSON.stringify({ filePath: join(project, "hello.txt"), content: "a\nb\n" })}\nsay done`,
);
await record(
  "question",
  `call question ${JSON.stringify({
    questions: [
      {
        header: "Colour",
        question: "Which one?",
        options: [
          { label: "Red", description: "Warm" },
          { label: "Blue", description: "Cold" },
        ],
      },
    ],
  })}`,
  async from => {
    const question = await asked(from, "question");
    await ask("POST", `/${session.id}/questions/${question.id}`, { answers: [["Blue"]] });
  },
);
await record(
  "subagent",
  `call task ${JSON.stringify({ description: "Look", prompt: `call bash ${JSON.stringify({ command: "echo below", description: "Says it" })}`, subagent_type: "general" })}\nsay up again`,
  async from => {
    const permission = await asked(from, "permission");
    const path = `/${permission.session}/permissions/${permission.id}`;
    await ask("POST", path, { answer: "once" });
  },
);
await record("aborted", "slow 40 30", async from => {
  await until(from, update => update.type === "piece");
  await ask("POST", `/${session.id}/abort`);
});
await record("failed", "fail 400");

server.kill("SIGTERM");
model.kill();
await once(server, "exit");
rmSync(dir, { recursive: true, force: true });
rmSync(project, { recursive: true, force: true });
process.exit(0);
