// An MCP server over standard input and output with one tool that never answers.
import { createInterface } from 'node:readline'

const answer = (id, result) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
createInterface({ input: process.stdin }).on('line', line => {
  const { id, method, params } = JSON.parse(line)
  if (method === 'initialize') {
    const serverInfo = { name: 'slow', version: '1' }
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo })
  } else if (method === 'tools/list') {
    const inputSchema = { type: 'object', properties: {} }
    answer(id, { tools: [{ name: 'wait', description: 'Waits for ever', inputSchema }] })
  } else if (method === 'ping') answer(id, {})
})
