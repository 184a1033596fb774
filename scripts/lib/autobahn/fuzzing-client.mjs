import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isDebianLike } from '../machine.mjs'
import { Problem } from '../problem.mjs'
import { run } from '../run.mjs'
import { complete } from '../setup.mjs'
import { findPython27, wstest, wstestEnvironment } from './python27.mjs'
import { readVerdicts } from './verdicts.mjs'

/**
 * The fuzzing client as it is run for one server.
 *
 * @typedef {object} FuzzingClient
 * @property {[string, ...string[]]} command
 * @property {string} outdir the folder of the report, as the client sees it
 * @property {string} host this machine, as the client sees it
 */

const image = 'crossbario/autobahn-testsuite'

/** Longer than the longest patience of a case: 100 s for a message, 480 s for a thousand compressed ones. */
const silence = 600_000

/**
 * @param {string} folder
 * @returns {FuzzingClient}
 */
function fromEnvironment(folder) {
  return {
    command: [wstest, '-m', 'fuzzingclient', '-s', join(folder, 'spec.json')],
    outdir: folder,
    host: '127.0.0.1',
  }
}

/**
 * @param {string} folder
 * @returns {FuzzingClient}
 */
function fromContainer(folder) {
  // Docker Desktop's host network is that of its virtual machine, where this one has a name.
  const onHost = process.platform === 'linux'
  const { uid, gid } = userInfo()
  const options = [
    '--volume',
    `${folder}:/reports`,
    '--user',
    `${uid}:${gid}`,
    ...(onHost ? ['--network', 'host'] : []),
  ]
  return {
    command: ['docker', 'run', '--rm', ...options, image, 'wstest', '-m', 'fuzzingclient', '-s', '/reports/spec.json'],
    outdir: '/reports',
    host: onHost ? '127.0.0.1' : 'host.docker.internal',
  }
}

/**
 * A way to run the fuzzing client here: in an environment of Python 2.7, which is made when need be, else in a container.
 *
 * @returns {Promise<(folder: string) => FuzzingClient>}
 */
export async function findFuzzingClient() {
  if (wstestEnvironment.isDone() || (await findPython27())) {
    await complete([wstestEnvironment])
    return fromEnvironment
  }
  const { code } = await run('docker', ['info'], { quiet: true })
  if (code === 0) return fromContainer
  const needs = isDebianLike() ? ' (after `sudo apt install build-essential libssl-dev zlib1g-dev libffi-dev`)' : ''
  throw new Problem(
    'the fuzzing client runs on Python 2.7, and there is none here, nor a docker that runs',
    `run \`pyenv install 2.7.18\`${needs}, or start docker`,
  )
}

/**
 * Lets the client loose on a server.
 *
 * @param {(folder: string) => FuzzingClient} client
 * @param {object} what
 * @param {string} what.agent the server's name in the report
 * @param {number} what.port
 * @param {string[]} what.cases
 * @param {string} what.folder for the report: emptied first
 * @param {(done: number, of: number, id: string) => void} [what.onCase]
 * @returns {Promise<import('./verdicts.mjs').Verdicts>}
 */
export async function fuzz(client, { agent, port, cases, folder, onCase = () => {} }) {
  const { command, outdir, host } = client(folder)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const servers = [{ agent, url: `ws://${host}:${port}` }]
  const spec = { outdir, servers, cases, 'exclude-cases': [], 'exclude-agent-cases': {} }
  writeFileSync(join(folder, 'spec.json'), JSON.stringify(spec))

  const [program, ...args] = command
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const end = () => child.kill()
  process.once('exit', end)
  let timer = setTimeout(end, silence)
  let of = 0
  let done = 0
  let last = ''
  let id = ''
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() !== '') last = line
      of = Number(/^Ok, will run (\d+) test cases/.exec(line)?.[1] ?? of)
      // The client waits for ever for the end of none.
      if (line.startsWith('Ok, will run 0 ')) end()
      const running = /^Running test case ID (\S+)/.exec(line)?.[1]
      if (running === undefined) return
      id = running
      onCase(++done, of, id)
      clearTimeout(timer)
      timer = setTimeout(end, silence)
    })
  }
  const code = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (status, signal) => resolve(status ?? signal))
  })
  clearTimeout(timer)
  process.off('exit', end)

  if (of === 0) throw new Problem(`no case matches ${cases.join(',')}`, `the client said: ${last}`)
  if (code !== 0) {
    const where = id ? `at case ${id}` : 'before its first case'
    throw new Problem(`the fuzzing client ended with ${code} ${where} of ${agent}`, `its last line was: ${last}`)
  }
  const verdicts = readVerdicts(join(folder, 'index.json'), agent)
  const found = Object.keys(verdicts).length
  if (found < of) {
    throw new Problem(`${agent} was given up after ${found} of ${of} cases, at ${id}`, `the client said: ${last}`)
  }
  return verdicts
}
