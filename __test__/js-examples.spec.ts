import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { testWithEngine } from './helpers/engine.js'
import { amphisRun, start } from './helpers/plain-python.js'

const examples = fileURLToPath(new URL('../examples', import.meta.url))

testWithEngine('the example of rules gives what each rule gives, or why it does not', async (t) => {
  const args = [...amphisRun, join(examples, 'js-rules/rules.py')] as const
  const { code, stdout, stderr } = await start(t, args, { stdin: '' }).ends()
  t.is(code, 0, stderr)
  const lines = stdout.trim().split('\n')
  t.deepEqual(lines.slice(0, 3), [
    'discount: [108.45, 80, 279.23]',
    'express: [True, False, True]',
    "label: ['Ada (Switzerland)', 'Grace (Germany)', 'Linus (Austria)']",
  ])
  t.regex(lines[3] ?? '', /^typo: TypeError: Cannot read properties of undefined/)
  t.is(lines[4], 'endless: took too long')
  t.regex(lines[5] ?? '', /^greedy: (?:used too much memory|took too long)$/)
})

testWithEngine('the example of a code tool tells the model what came of its scripts', async (t) => {
  const args = [...amphisRun, join(examples, 'js-code-tool/code_tool.py')] as const
  const { code, stdout, stderr } = await start(t, args, { stdin: '' }).ends()
  t.is(code, 0, stderr)
  const outcomes = stdout.split('\n').filter((line) => /^(?:ok|failed): /.test(line))
  t.is(outcomes.length, 5, stdout)
  t.is(outcomes[0], 'ok: 130')
  t.regex(outcomes[1] ?? '', /^failed: TypeError/)
  t.regex(outcomes[2] ?? '', /^failed: ReferenceError: require is not defined/)
  t.regex(outcomes[3] ?? '', /^failed: ReferenceError: process is not defined/)
  t.regex(outcomes[4] ?? '', /^failed: (?:It took longer|.*process of the runtime|Heap limit)/)
})

testWithEngine('the example of a debugger waits for one, and stops where it says', async (t) => {
  const args = [...amphisRun, join(examples, 'js-inspector/debug.py'), '0'] as const
  const program = start(t, args, { stdin: '' })
  const line = await program.printsLine(/VS Code: ws:\S+/)
  const socket = new WebSocket(line.replace(/^.* /, ''))
  t.teardown(() => socket.terminate())
  const send = (id: number, method: string, params = {}) => socket.send(JSON.stringify({ id, method, params }))
  const stops: number[] = []
  socket.on('open', () => {
    send(1, 'Debugger.enable')
    send(2, 'Debugger.setBreakpointByUrl', { urlRegex: 'prices\\.js$', lineNumber: 10 })
    send(3, 'Runtime.runIfWaitingForDebugger')
  })
  socket.on('message', (data) => {
    const { method, params } = JSON.parse((data as Buffer).toString()) as {
      method?: string
      params: { callFrames: { location: { lineNumber: number } }[] }
    }
    if (method !== 'Debugger.paused') return
    stops.push(params.callFrames[0]?.location.lineNumber ?? -1)
    send(3 + stops.length, 'Debugger.resume')
  })
  const { code, stdout, stderr } = await program.ends()
  t.is(code, 0, stderr)
  t.deepEqual(stops, [0, 10])
  t.is(stdout.trim().split('\n').at(-1), '11.78')
})
