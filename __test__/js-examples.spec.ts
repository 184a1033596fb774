import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
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
