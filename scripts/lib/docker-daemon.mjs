// A Docker daemon of the tests' own: installs it where it is missing, starts it, ends it, and puts back what it changes on
// the machine: packet filter, forwarding of packets, bridges.
import { spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { answers } from './containers.mjs'
import { findProgram, installPackages } from './debian-packages.mjs'
import { undoRules } from './firewall.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

const forwarding = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding']
const filters = ['iptables', 'ip6tables']

/**
 * What a daemon changes outside of its folder.
 *
 * @typedef {object} Machine
 * @property {Record<string, string>} forwarding
 * @property {Record<string, string>} rules what `iptables-save` prints, of each program that there is
 * @property {string[]} links
 */

/** @returns {Promise<Machine>} */
export async function machineState() {
  /** @type {Machine} */
  const state = {
    forwarding: {},
    rules: {},
    links: [...readFileSync('/proc/net/dev', 'utf8').matchAll(/^\s*(\S+):/gm)].map(([, name = '']) => name),
  }
  for (const path of forwarding) if (existsSync(path)) state.forwarding[path] = readFileSync(path, 'utf8').trim()
  for (const name of filters) {
    const { code, output } = await run(`${name}-save`, [], { quiet: true })
    if (code === 0) state.rules[name] = output
  }
  return state
}

/** @param {Machine} before */
export async function putBack(before) {
  const now = await machineState()
  for (const link of now.links) {
    const isOurs = /^(?:docker0|br-[0-9a-f]{12})$/.test(link) && !before.links.includes(link)
    if (isOurs) await run('ip', ['link', 'delete', link], { quiet: true })
  }
  for (const [name, rules] of Object.entries(now.rules)) {
    const input = undoRules(before.rules[name] ?? '', rules)
    if (input) await feed(`${name}-restore`, ['--noflush'], input)
  }
  for (const [path, value] of Object.entries(before.forwarding)) {
    if (now.forwarding[path] !== value) writeFileSync(path, value)
  }
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {string} input
 * @returns {Promise<void>}
 */
function feed(command, args, input) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] })
    child.on('error', () => resolve())
    child.on('close', () => resolve())
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** @returns {Promise<{ socket: string, stop: () => Promise<void> }>} */
export async function startEngine() {
  if (!findProgram('dockerd')) await installPackages(['docker.io', 'iptables', 'iproute2'])
  const before = await machineState()
  const folder = await mkdtemp(join(tmpdir(), 'amphis-containers-'))
  const socket = join(folder, 'docker.sock')
  const log = join(folder, 'log')
  const output = openSync(log, 'a')
  const options = [
    ['--data-root', join(folder, 'data')],
    ['--exec-root', join(folder, 'exec')],
    ['--pidfile', join(folder, 'pid')],
    ['--host', `unix://${socket}`],
    ['--bip', '10.254.0.1/24'],
    ['--log-level', 'warn'],
  ]
  const daemon = spawn('dockerd', options.flat(), { stdio: ['ignore', output, output] })
  /** @type {Promise<string>} */
  const ended = new Promise((resolve) => {
    daemon.on('error', (error) => resolve(error.message))
    daemon.on('exit', (code, signal) => resolve(`exit ${code ?? signal}`))
  })
  let how = ''
  void ended.then((reason) => (how = reason))

  const stop = async () => {
    await endContainers(socket)
    daemon.kill('SIGTERM')
    const patience = setTimeout(() => daemon.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(patience)
    await putBack(before)
    await unmountBelow(folder)
    rmSync(folder, { recursive: true, force: true })
  }

  const deadline = Date.now() + 30_000
  while (!(await answers(socket))) {
    if (!how && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      continue
    }
    const words = readFileSync(log, 'utf8').trim().split('\n').slice(-3).join(' | ')
    await stop()
    throw new Problem(
      `the Docker daemon did not start (${how || 'it does not answer'}: ${words})`,
      'start an engine by hand, and set DOCKER_HOST',
    )
  }
  return { socket, stop }
}

/** At once: a daemon that ends by itself gives each ten seconds. @param {string} socket */
async function endContainers(socket) {
  const docker = ['--host', `unix://${socket}`]
  const { code, output } = await run('docker', [...docker, 'ps', '--quiet'], { quiet: true })
  const running = code === 0 ? output.split('\n').filter(Boolean) : []
  if (running.length > 0) await run('docker', [...docker, 'kill', ...running], { quiet: true })
}

/** What a daemon that was killed has left mounted. @param {string} folder */
async function unmountBelow(folder) {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${folder}/`))
  for (const point of points.toReversed()) await run('umount', ['--lazy', point], { quiet: true })
}
