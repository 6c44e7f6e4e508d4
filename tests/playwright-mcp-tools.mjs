// Prints the tools of the real @playwright/mcp as JSON. Listing starts no browser.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../client/package.json', import.meta.url));
const groups = 'vision,pdf,devtools,network,storage,testing,config';
const cli = require.resolve('@playwright/mcp/package.json').replace(/package\.json$/, 'cli.js');
const server = spawn(process.execPath, [cli, '--headless', '--caps', groups], { stdio: ['pipe', 'pipe', 'inherit'] });
const send = (message) => server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const clientInfo = { name: 'compatibility', version: '1' };
send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } });
for await (const line of createInterface({ input: server.stdout })) {
  const message = JSON.parse(line);
  if (message.id === 1) {
    send({ method: 'notifications/initialized' });
    send({ id: 2, method: 'tools/list', params: {} });
  }
  if (message.id === 2) {
    console.log(JSON.stringify(message.result.tools));
    break;
  }
}
server.stdin.end();
server.kill();
