import { chromium } from "playwright-core";
import { dashboard } from "/work/trees/embed6/client/examples/server.mjs";
import { spawn } from "node:child_process";
import { mkdtempSync, chmodSync } from "node:fs";
const dir = mkdtempSync("/tmp/embed6-dbg-"); chmodSync(dir, 0o755);
const port = 18470;
const child = spawn("/work/trees/embed6/target/debug/tandem", ["serve","--listen",`127.0.0.1:${port}`,"--rtc-listen","127.0.0.1:18471","--data-dir",dir,"--start-url", process.env.START ?? "data:text/html,<body style='background:teal'><h1>Hello"], {env:{...process.env,TANDEM_ADMIN_TOKEN:"tdm_dbg-admin-0123456789abcdef"}, stdio:["ignore","pipe","inherit"]});
await new Promise(r => child.stdout.on("data", d => String(d).includes("ready") && r()));
const settings = { tandem: `http://127.0.0.1:${port}`, admin: "tdm_dbg-admin-0123456789abcdef", origin: "http://dash.example:18472" };
const server = dashboard(settings); await new Promise(r => server.listen(18472, "127.0.0.1", r));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox","--autoplay-policy=no-user-gesture-required","--host-resolver-rules=MAP *.example 127.0.0.1","--test-third-party-cookie-phaseout"] });
try {
  const { default: run } = await import(process.argv[2]);
  await run({ browser, settings, dash: settings.origin });
} catch (e) { console.error(e); }
await browser.close(); server.closeAllConnections(); server.close(); child.kill("SIGTERM"); await new Promise(r => child.once("exit", r));
process.exit(0);
