import { resolve } from 'node:path'
import test from 'ava'
import { parseRunArguments, scriptOf } from '../lib/cli/run/command-line.js'
import { amphisEnds } from './helpers/command-line.js'
import { amphisRun, start } from './helpers/plain-python.js'
import { interpreter, python } from './helpers/python.js'

test('our own options come first, and everything behind them is Python’s', (t) => {
  const parse = (...args: string[]) => parseRunArguments(args)
  t.deepEqual(parse('a.py', '--python', 'x', '--help'), {
    help: false,
    python: undefined,
    pythonArguments: ['a.py', '--python', 'x', '--help'],
  })
  t.deepEqual(parse('--python', 'x', '-X', 'dev', 'a.py'), {
    help: false,
    python: 'x',
    pythonArguments: ['-X', 'dev', 'a.py'],
  })
  t.deepEqual(parse('--python=x=y', '-'), { help: false, python: 'x=y', pythonArguments: ['-'] })
  t.deepEqual(parse('--help'), { help: true, python: undefined, pythonArguments: [] })
  t.deepEqual(parse(), { help: false, python: undefined, pythonArguments: [] })
})

for (const [line, script] of [
  ['a.py -m b', 'a.py'],
  ['-B a.py', 'a.py'],
  ['-X dev a.py', 'a.py'],
  ['-Xdev a.py', 'a.py'],
  ['-BX dev a.py', 'a.py'],
  ['-W error -OO folder', 'folder'],
  ['--check-hash-based-pycs always a.py', 'a.py'],
  ['-m module a.py', undefined],
  ['-Bm module a.py', undefined],
  ['-c code a.py', undefined],
  ['-ccode a.py', undefined],
  ['- a.py', undefined],
  ['-i', undefined],
  ['', undefined],
] as const) {
  test(`the script of "python ${line}" is ${script ?? 'none'}`, (t) => {
    t.is(scriptOf(line.split(' ').filter(Boolean)), script)
  })
}

test('amphis run --help tells how to write it', async (t) => {
  for (const option of ['--help', '-h']) {
    const { code, stdout, stderr } = await amphisEnds(t, 'run', option)
    t.is(code, 0, stderr)
    t.true(stdout.startsWith('Usage: amphis run '))
    for (const word of ['-m MODULE', '-c CODE', '--python PATH']) t.true(stdout.includes(word), word)
  }
})

test('what is mistyped ends with 2, what is not there with 1, in one line that says what to do', async (t) => {
  const [mistyped, missing, script] = await Promise.all([
    amphisEnds(t, 'run', '--python'),
    amphisEnds(t, 'run', '--python', '/no/such/python', 'run/facts.py'),
    amphisEnds(t, 'run/facts.py'),
  ])
  t.deepEqual([mistyped.code, mistyped.stdout], [2, ''])
  t.is(mistyped.stderr, 'error: --python needs a value: --python PATH.\n')
  t.is(script.code, 2)
  t.is(
    script.stderr,
    'error: run/facts.py is a file, not module:attribute. Did you mean `amphis run.facts:app`? To run it as a script: amphis run run/facts.py\n',
  )
  t.deepEqual([missing.code, missing.stdout], [1, ''])
  t.regex(missing.stderr, /^error: \/no\/such\/python \(from option python\) does not exist\. .*\n$/)
})

test('amphis -m and amphis -c are short for amphis run', async (t) => {
  const env = { AMPHIS_PYTHON: python }
  const [node, program] = amphisRun
  const command = ['-c', 'import sys; print(sys.argv)', '--version', '-m']
  const called = await start(t, [node, program!, ...command], { env, stdin: '' }).ends()
  t.is(called.stdout, "['-c', '--version', '-m']\n", called.stderr)
  const module = await start(t, [node, program!, '-m', 'package', '--help'], { env, stdin: '' }).ends()
  t.is(module.code, 2, module.stderr)
  t.true(module.stdout.startsWith(`['${resolve('fixtures/run/package/__main__.py')}', '--help']`), module.stdout)
})

test('arguments that are not UTF-8 arrive as python gets them', async (t) => {
  const code = 'import sys; print([ascii(word) for word in sys.argv])'
  const [expected, actual] = await Promise.all(
    [[interpreter], amphisRun].map((command) => {
      const line = ['sh', '-c', `exec "$@" "$(printf '\\377\\303')" \u00e4`, 'sh', ...command, '-c', code]
      return start(t, line as [string, ...string[]], { stdin: '' }).ends()
    }),
  )
  t.true(expected!.stdout.includes(String.raw`\\udcff\\udcc3`), expected!.stdout)
  t.is(actual!.stdout, expected!.stdout, actual!.stderr)
})
