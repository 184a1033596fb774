// What `setproctitle` does in a process that is Node's.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { amphisEnds } from './helpers/command-line.js'
import { runNode } from './helpers/node-process.js'
import { fixtures, interpreter, python } from './helpers/python.js'

const script = join(fixtures, 'process_title.py')

// Elsewhere the package finds what it looks for by itself.
if (process.platform === 'linux') {
  test('setproctitle under amphis run does what it does under python', async (t) => {
    const plain = JSON.parse(execFileSync(interpreter, [script], { encoding: 'utf8' })) as unknown
    const { code, stdout, stderr } = await amphisEnds(t, 'run', '--python', python, script)
    t.is(code, 0, stderr)
    t.deepEqual(JSON.parse(stdout), plain)
  })

  test('setproctitle in an app sets process.title, what ps shows, and the name of the process', async (t) => {
    const child = runNode(
      t,
      { app: 'process_title:app', lifespan: 'off' },
      `const handler = new PythonHandler(options)
       process.env.FROM_NODE = 'set'
       console.log(await (await handler.handle({ url: '/' })).text())
       console.log(process.title.startsWith('long long '), process.env.FROM_NODE, process.env.PATH.length > 0)
       await handler.close()`,
    )
    const { code, stdout, stderr } = await child.ends()
    t.is(code, 0, stderr)
    const [told = '', after] = stdout.trim().split('\n')
    const worker = { given: 'shop: worker', comm: 'shop: worker', ps: 'shop: worker' }
    t.deepEqual(JSON.parse(told), {
      before: true,
      parent: worker,
      child: { given: 'shop: child', comm: 'shop: child', ps: 'shop: child' },
      'parent again': worker,
      long: 'long long ',
      kept: true,
    })
    t.is(after, 'true set true')
  })
}
