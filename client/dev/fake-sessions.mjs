/**
 * Sessions that exist only here, to look at the panel without a server. Each
 * scene is what the API answers; updates can be told to who reads the stream.
 */
const NOW = Date.now();
const MINUTE = 60_000;
const tokens = (input, output, reasoning = 0) => ({
  input,
  output,
  reasoning,
  cache_read: 0,
  cache_write: 0,
});
const session = (id, title, past, more = {}) => ({
  id,
  title,
  state: "idle",
  parent: null,
  created: NOW - past - 10 * MINUTE,
  updated: NOW - past,
  cost: 0.0234,
  tokens: tokens(18_400, 1240),
  model: "anthropic/claude-sonnet",
  agent: "build",
  context: { used: 24_000, limit: 200_000 },
  reverted: null,
  ...more,
});
let ids = 0;
const id = kind => `${kind}_${String(++ids).padStart(6, "0")}`;
const text = (words, done = true) => ({ id: id("prt"), kind: "text", text: words, done });
const reasoning = (words, done = true) => ({ id: id("prt"), kind: "reasoning", text: words, done });
const step = (cost, out) => ({ id: id("prt"), kind: "step", cost, tokens: tokens(900, out) });
const tool = (name, input, more = {}) => ({
  id: id("prt"),
  kind: "tool",
  call: id("call"),
  name,
  title: "",
  state: "done",
  input,
  output: "",
  started: NOW - 60_000,
  ended: NOW - 58_700,
  images: [],
  record: null,
  child: null,
  ...more,
});
const message = (role, parts, past, more = {}) => ({
  id: id("msg"),
  role,
  error: null,
  created: NOW - past,
  done: true,
  ...more,
  parts,
});

const PICTURE = `data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPj/HwADBwIAMCbHYQAAAABJRU5ErkJggg==`;

const ANSWER = `I looked at all nine orders. **Three of them** can be shipped today:

| Order | Article | Price |
|---|---|---:|
| #1014 | Lamp, brass, 2 pcs | 57.00 € |
| #1034 | Lamp, brass, 4 pcs | 95.00 € |
| #1084 | Lamp, brass, 9 pcs | 190.00 € |

What is left:

1. Print the labels, which needs \`lpr\` on this machine.
2. Press *Ship them all* on [the orders page](https://shop.example/orders).

- [x] Addresses checked
- [ ] Labels printed

\`\`\`ts
// Sums up what is to be paid.
export function total(orders: Order[]): number {
  return orders.reduce((sum, order) => sum + order.price * 1.19, 0);
}
\`\`\`

> Two customers wrote that they are away until Monday.`;

const conversation = () => [
  message(
    "user",
    [
      text(
        "Which of today's orders can be shipped?\nThe labels have to be printed before noon, so please begin with those that are paid.",
      ),
      { id: id("prt"), kind: "file", name: "screenshot.jpg", mime: "image/png", url: PICTURE },
    ],
    12 * MINUTE,
  ),
  message(
    "agent",
    [
      reasoning(
        "The person wants to know which orders can be shipped. I look at the page first, then at the payments.",
      ),
      tool("tandem_browser_snapshot", {}, { ended: NOW - 59_600, record: 41 }),
      tool(
        "tandem_browser_click",
        { element: "Paid orders", target: "e12" },
        { record: 42, output: "### Page\n- URL: https://shop.example/orders?paid=1" },
      ),
      tool(
        "bash",
        { command: "grep -c paid orders.csv", description: "Count paid orders" },
        { output: "9\n" },
      ),
      tool(
        "edit",
        {
          filePath: "/srv/shop/src/total.ts",
          oldString:
            "export function total(orders: Order[]) {\n  return orders.reduce((sum, order) => sum + order.price, 0);\n}",
          newString:
            "// Sums up what is to be paid.\nexport function total(orders: Order[]): number {\n  return orders.reduce((sum, order) => sum + order.price * 1.19, 0);\n}",
        },
        { ended: NOW - 55_000 },
      ),
      tool(
        "task",
        { description: "Compare addresses", subagent_type: "general" },
        { ended: NOW - 30_000, child: "ses_child" },
      ),
      tool(
        "webfetch",
        { url: "https://post.example/rates" },
        { state: "failed", output: "The server answered 503." },
      ),
      { id: id("prt"), kind: "patch", files: ["/srv/shop/src/total.ts", "/srv/shop/labels.pdf"] },
      text(ANSWER),
      step(0.0123, 640),
    ],
    11 * MINUTE,
  ),
  message(
    "user",
    [
      {
        ...text(
          "You had the browser for 40 s: Mara Lind signed in, opened “Orders” and went back.",
        ),
        origin: "room",
      },
    ],
    6 * MINUTE,
  ),
  message(
    "user",
    [text("Good. Ship the first two, and tell me what the rest would cost.")],
    5 * MINUTE,
  ),
  message(
    "agent",
    [
      tool("tandem_browser_click", { element: "Select order #1014" }, { record: 51 }),
      text("Order **#1014** is selected."),
      step(0.0041, 210),
    ],
    5 * MINUTE,
  ),
];

const SESSIONS = () => [
  session("ses_orders", "Ship today's orders", 4 * MINUTE),
  session("ses_child", "Compare addresses (@general subagent)", 9 * MINUTE, {
    parent: "ses_orders",
    cost: 0.004,
    tokens: tokens(4000, 300),
  }),
  session("ses_flights", "Three cheapest flights to Lisbon in May", 3 * 60 * MINUTE, {
    state: "busy",
    cost: 0.41,
  }),
  session("ses_form", "Fill in the tax form", 26 * 60 * MINUTE, {
    state: "failed",
    reason: "The model answered 429: too many requests.",
    cost: 0,
    tokens: tokens(0, 0),
  }),
  session("ses_old", "Why does the checkout button stay grey?", 9 * 24 * 60 * MINUTE, {
    cost: 1.2,
    tokens: tokens(1_240_000, 40_000),
  }),
];

const permission = (more = {}) => ({
  id: "per_1",
  session: "ses_orders",
  root: "ses_orders",
  call: "call_wait",
  tool: "bash",
  input: { command: "lpr -P office labels.pdf", description: "Print the labels" },
  complete: true,
  patterns: ["lpr -P office labels.pdf"],
  always: ["lpr *"],
  ...more,
});
const busy = { state: "busy" };
const withOrders = change => {
  const [first, ...rest] = SESSIONS();
  return [{ ...first, ...change }, ...rest];
};
const ready = { state: "ready", version: "1.18.33", notice: null };
const can = {
  fork: true,
  revert: true,
  summarise: true,
  commands: true,
  models: true,
  files: true,
  diff: true,
};

const base = () => ({
  agent: ready,
  sessions: SESSIONS(),
  permissions: [],
  questions: [],
  messages: { ses_orders: conversation() },
  todos: [],
  before: null,
});

export const SCENES = {
  off: () => ({ ...base(), agent: { state: "off" }, sessions: [] }),
  talk: base,
  empty: () => ({ ...base(), sessions: [], messages: {} }),
  busy: () => {
    const scene = base();
    scene.sessions = withOrders(busy);
    scene.messages.ses_orders.push(
      message("user", [text("Now the labels, please.")], 30_000),
      message(
        "agent",
        [
          reasoning("Labels are made by", false),
          tool(
            "tandem_browser_fill_form",
            { element: "Delivery note" },
            { state: "running", started: NOW - 4000, ended: null },
          ),
          text("I print them in the order of the", false),
        ],
        20_000,
        { done: false },
      ),
    );
    scene.todos = [
      { text: "Read the orders", state: "completed", priority: "high" },
      { text: "Check the addresses", state: "completed", priority: "high" },
      { text: "Print the labels", state: "in_progress", priority: "high" },
      { text: "Ship them", state: "pending", priority: "medium" },
      { text: "Write to who is away", state: "cancelled", priority: "low" },
    ];
    return scene;
  },
  permission: () => {
    const scene = base();
    scene.sessions = withOrders(busy);
    scene.messages.ses_orders.push(
      message("user", [text("Now the labels, please.")], 30_000),
      message(
        "agent",
        [
          {
            ...tool("bash", permission().input, { state: "waiting", ended: null }),
            call: "call_wait",
          },
        ],
        20_000,
        { done: false },
      ),
    );
    scene.permissions = [permission()];
    return scene;
  },
  question: () => {
    const scene = base();
    scene.sessions = withOrders(busy);
    scene.questions = [
      {
        id: "que_1",
        session: "ses_orders",
        root: "ses_orders",
        call: null,
        items: [
          {
            header: "Carrier",
            text: "By which carrier should the parcels go?",
            options: [
              { label: "Post", description: "4.20 € each, two days" },
              { label: "Courier", description: "9.90 € each, tomorrow" },
            ],
            multiple: false,
          },
        ],
      },
    ];
    return scene;
  },
  projects: () => ({
    ...base(),
    projects: [
      { id: "main", name: "shop", dir: "/srv/shop" },
      { id: "prj_2", name: "accounting", dir: "/srv/accounting" },
    ],
    roots: ["/srv"],
  }),
  failed: () => ({
    ...base(),
    agent: {
      state: "failed",
      reason:
        "OpenCode is not installed. Install it with “npm install -g opencode-ai”, then try again.",
    },
  }),
  restarting: () => ({
    ...base(),
    agent: { state: "restarting", reason: "OpenCode ended with signal 9." },
  }),
  reverted: () => {
    const scene = base();
    scene.sessions = withOrders({ reverted: { message: scene.messages.ses_orders[3].id } });
    return scene;
  },
  retrying: () => ({
    ...base(),
    sessions: withOrders({
      state: "retrying",
      until: Date.now() + 40_000,
      reason: "too many requests.",
    }),
  }),
  fault: () => {
    const scene = base();
    scene.messages.ses_orders.push(
      message("user", [text("Go on.")], 30_000),
      message("agent", [], 20_000, {
        error: "The model answered 400: the conversation is longer than it can read. Summarise it.",
      }),
    );
    return scene;
  },
  many: () => {
    const scene = base();
    const words = ANSWER.split("\n");
    const all = Array.from({ length: Number(process.env.MANY ?? 10_000) }, (_, n) =>
      n % 2 === 0
        ? message("user", [text(`Question ${n}: what about order #${n}?`)], n)
        : message(
            "agent",
            [
              tool("bash", { command: `echo ${n}` }, { output: `${n}\n` }),
              text(
                n % 7 === 0
                  ? ANSWER
                  : words.slice(0, 3).join("\n") + ` Order **#${n}** is paid.`.repeat(1 + (n % 9)),
              ),
              step(0.001, 40),
            ],
            n,
          ),
    );
    scene.messages = { ses_orders: all };
    return scene;
  },
};

let scene = SCENES.off();
const readers = new Set();
let last = 1;

export function setScene(name) {
  scene = SCENES[name]();
  for (const reader of readers) reader.end();
  readers.clear();
  return scene;
}

/** Tells an update to all who read the stream. */
export function tell(update) {
  last += 1;
  for (const reader of readers) reader.write(`id: r.${last}\ndata: ${JSON.stringify(update)}\n\n`);
}

export const made = { message, text, tool, session };

/** What lies under every press. */
const PICKED = {
  role: "button",
  name: "Ship them all",
  locator: "getByRole('button', { name: 'Ship them all' })",
  text: "Ship them all",
  html: "<button>Ship them all</button>",
  box: { x: 30, y: 612, width: 150, height: 40 },
  url: "https://shop.example/orders",
  title: "Orders",
  frame: null,
};

/** True when it was a request for sessions, or for what is picked. */
export function answer(request, response) {
  const url = new URL(request.url, "http://x");
  if (url.pathname.endsWith("/pick")) {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(PICKED));
    return true;
  }
  const [, rest] = /\/sessions(.*)$/.exec(url.pathname) ?? [];
  if (rest === undefined) return false;
  const json = (body, status = 200) =>
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(body === null ? "" : JSON.stringify(body));
  const away = () => json({ error: { code: "agent-away", message: scene.agent.reason } }, 503);
  const [, one, what] = rest.split("/");
  request.resume();
  if (rest === "/agent") json({ ...scene.agent, can });
  else if (rest === "/projects") {
    json({
      projects: scene.projects ?? [{ id: "main", name: "shop", dir: "/srv/shop" }],
      roots: scene.roots ?? [],
    });
  } else if (scene.agent.state === "failed") away();
  else if (rest === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`id: r.${last}\ndata: {"type":"hello"}\n\n`);
    readers.add(response);
    response.on("close", () => readers.delete(response));
  } else if (rest === "/pending") {
    json({ permissions: scene.permissions, questions: scene.questions });
  } else if (rest === "/choices") {
    json({
      agents: [
        { name: "build", description: "Does what it is asked for" },
        { name: "plan", description: "Changes nothing" },
      ],
      models: [
        {
          id: "anthropic/claude-sonnet",
          name: "Claude Sonnet",
          provider: "anthropic",
          default: true,
        },
        { id: "openai/gpt", name: "GPT", provider: "openai", default: false },
      ],
      commands: [
        { name: "init", description: "Write a guide to this project for agents" },
        { name: "review", description: "Look over what changed" },
      ],
    });
  } else if (rest === "/files") {
    const query = url.searchParams.get("query") ?? "";
    const files = ["src/total.ts", "src/orders.ts", "labels.pdf", "orders.csv", "README.md"];
    json({ files: files.filter(file => file.includes(query)) });
  } else if (what === "messages" && request.method === "GET") {
    json({
      messages: scene.messages[one] ?? [],
      todos: scene.todos,
      before: scene.before,
      at: `r.${last}`,
    });
  } else if (what === "messages") {
    json(null, 202);
    scene.onPrompt?.(one);
  } else if (what === "diff") {
    const patch =
      "@@ -1,3 +1,4 @@\n+// Sums up what is to be paid.\n-export function total(orders: Order[]) {\n+export function total(orders: Order[]): number {\n   return 0;\n }";
    json({ files: [{ path: "src/total.ts", patch, added: 2, removed: 1 }] });
  } else if (rest === "") {
    if (request.method === "POST") json(session("ses_new", "New session", 0), 201);
    else {
      const search = url.searchParams.get("search")?.toLowerCase() ?? "";
      json(scene.sessions.filter(each => each.title.toLowerCase().includes(search)));
    }
  } else if (what === undefined) {
    json(
      scene.sessions.find(each => each.id === one) ?? {
        error: { code: "not-found", message: "there is no such session" },
      },
    );
  } else json(null, 204);
  return true;
}
