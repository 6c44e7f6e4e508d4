// A scripted model behind the API of OpenAI's chat completions, to drive an agent offline.
//
//   node model.mjs          prints the port that it listens on
//
// What it answers stands in the user's message, one line for each step of the turn:
//   say WORDS               streams the words
//   slow N MS               streams N words, one every MS milliseconds
//   stamp N MS              the same, and each word is when it was written, in ms since 1970
//   think WORDS             streams reasoning, then one word
//   call NAME JSON [&& …]   calls tools, all in one step
//   fail STATUS [SECONDS]   an HTTP error, with the time after which to ask again
//   overflow                the error of a conversation that is too long
//   hold                    one word, and then nothing more
// After the last line it says how many tools answered, and what the last one said.
import http from 'node:http'

const VERBS = /^(say|slow|stamp|think|call|fail|overflow|hold)\b/
const text = content =>
  typeof content === 'string' ? content : (content ?? []).map(part => part.text ?? '').join('\n')
const pause = ms => new Promise(done => setTimeout(done, ms))
const script = message =>
  text(message.content).split('\n').map(line => line.trim()).filter(line => VERBS.test(line))

let served = 0

function plan(body) {
  const messages = body.messages ?? []
  const from = messages.findLastIndex(one => one.role === 'user' && script(one).length > 0)
  if (from < 0 || !body.tools?.length) return { words: ['A ', 'title'] }
  const since = messages.slice(from + 1)
  const line = script(messages[from])[since.filter(one => one.role === 'assistant').length]
  const answers = since.filter(one => one.role === 'tool').map(one => text(one.content))
  if (!line) {
    const last = (answers.at(-1) ?? 'nothing').slice(0, 200).replace(/\s+/g, ' ')
    return { words: `Done: ${answers.length} answers, the last: ${last}`.split(/(?<= )/) }
  }
  const verb = line.split(' ', 1)[0]
  const rest = line.slice(verb.length + 1)
  switch (verb) {
    case 'say':
      return { words: rest.split(/(?<= )/) }
    case 'slow': {
      const [count, ms] = rest.split(' ').map(Number)
      return { words: Array.from({ length: count }, (_, at) => `word${at} `), ms }
    }
    case 'stamp': {
      const [count, ms] = rest.split(' ').map(Number)
      const now = () => `${(performance.timeOrigin + performance.now()).toFixed(2)} `
      return { words: Array.from({ length: count }, () => now), ms }
    }
    case 'think':
      return { thoughts: rest.split(/(?<= )/), words: ['So.'] }
    case 'call':
      return {
        calls: rest.split('&&').map(one => {
          const [, name, json] = one.trim().match(/^(\S+)\s*(.*)$/)
          return { name, json: json || '{}' }
        }),
      }
    case 'fail': {
      const [status, after] = rest.split(' ')
      return { status: Number(status), after }
    }
    case 'overflow': {
      const message = "This model's maximum context length is 100 tokens. Please reduce the length of the messages."
      return { status: 400, fault: { message, type: 'invalid_request_error', code: 'context_length_exceeded' } }
    }
    default:
      return { words: ['Held'], hold: true }
  }
}

async function answer(request, response) {
  let raw = ''
  for await (const piece of request) raw += piece
  const body = JSON.parse(raw)
  const { words = [], thoughts = [], calls = [], ms = 1, status, after, fault, hold } = plan(body)
  const id = `chatcmpl-${++served}`
  if (status) {
    const more = after ? { 'retry-after': after } : {}
    response.writeHead(status, { 'content-type': 'application/json', ...more })
    const error = fault ?? { message: `the model answers ${status}`, type: 'scripted' }
    return response.end(JSON.stringify({ error }))
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const usage = { prompt_tokens: 100, completion_tokens: words.length, total_tokens: 100 + words.length }
  const send = (delta, finish_reason = null) => {
    const choice = { index: 0, delta, finish_reason }
    const chunk = { id, object: 'chat.completion.chunk', created: 1, model: body.model, choices: [choice] }
    response.write(`data: ${JSON.stringify(finish_reason ? { ...chunk, usage } : chunk)}\n\n`)
  }
  send({ role: 'assistant', content: '' })
  for (const thought of thoughts) send({ reasoning_content: thought })
  for (const word of words) {
    if (response.destroyed) return
    send({ content: typeof word === 'function' ? word() : word })
    await pause(ms)
  }
  if (hold) return
  for (const [index, { name, json }] of calls.entries()) {
    const call = { index, id: `call_${served}_${index}`, type: 'function', function: { name, arguments: '' } }
    send({ tool_calls: [call] })
    for (let at = 0; at < json.length; at += 16) {
      send({ tool_calls: [{ index, function: { arguments: json.slice(at, at + 16) } }] })
    }
  }
  send({}, calls.length > 0 ? 'tool_calls' : 'stop')
  response.end('data: [DONE]\n\n')
}

const server = http.createServer((request, response) => {
  if (request.method === 'POST') return answer(request, response).catch(() => response.destroy())
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ object: 'list', data: [{ id: 'scripted', object: 'model' }] }))
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
