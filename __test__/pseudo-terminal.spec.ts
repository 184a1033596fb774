import test from 'ava'
import { amphisInTerminal, runInTerminal } from './helpers/pseudo-terminal.js'

test('a command in a pseudo-terminal sees a terminal of the size that was asked for, and what is typed', async (t) => {
  const source = `
    const { stdin, stdout } = process
    console.log([stdin.isTTY, stdout.isTTY, stdout.columns, stdout.rows].join(" "))
    stdin.once('data', (text) => { console.log('read ' + text); process.exit(3) })`
  const terminal = runInTerminal(t, [process.execPath, '-e', source], { columns: 70, rows: 20 })
  await terminal.prints('true true 70 20')
  terminal.type('words\n')
  const { code, stdout } = await terminal.ends()
  t.true(stdout.endsWith('read words\r\n\r\n'), stdout)
  t.is(code, 3)
})

test('Ctrl+C in a pseudo-terminal interrupts the command', async (t) => {
  const terminal = runInTerminal(t, ['sh', '-c', 'echo ready; exec sleep 1000'])
  await terminal.prints('ready')
  t.true((await terminal.pid) > 0)
  terminal.type('\x03')
  t.is((await terminal.ends()).signal, 'SIGINT')
})

test('the program has colours in a pseudo-terminal', async (t) => {
  const { code, stdout } = await amphisInTerminal(t, ['--port', 'x']).ends()
  t.is(code, 2)
  t.true(stdout.includes('\x1b[31merror:\x1b[39m'), stdout)
})
