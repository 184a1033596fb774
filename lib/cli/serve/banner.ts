// What is shown once it serves.
import { existsSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { homedir, networkInterfaces } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { Versions } from '../../base/types.js'
import type { Log } from '../log/log.js'
import type { TextFormat } from '../log/text-format.js'
import type { OptionValues } from '../options/table.js'

/** What serves, and where. */
export interface Served {
  /** `module:attribute` */
  readonly app: string
  readonly options: OptionValues
  /** As `listen` gives it: a URL, or `unix:` and a path. */
  readonly address: string
  readonly versions: Versions | undefined
  /** Milliseconds that it took to start. @default since this process was started */
  readonly startup?: number
}

/** Tells that an app is served: to a person in a few lines, to a log in one. */
export function showBanner(log: Log, served: Served): void {
  if (!log.shows('info')) return
  const { app, options, address, versions, startup = performance.now() } = served
  const modes = modesOf(options)
  const took = Math.round(startup)
  if (log.text?.isTerminal === true) {
    log.print(banner(log.text, served, modes, took))
  } else {
    log.say('info', sentence(served, modes, took), {
      msg: 'serving',
      app,
      address,
      amphis: versions?.amphis,
      python: versions?.python,
      environment: versions && environmentOf(versions),
      loop: versions?.loop,
      node: process.versions.node,
      mode: modes,
      startup_ms: took,
      pid: process.pid,
    })
  }
  if (isDebugging(options) && isPublic(address)) {
    log.say(
      'warning',
      `--debug shows parts of the app's source to whoever reaches ${address}. Leave it out, or listen on 127.0.0.1.`,
    )
  }
}

/** Tells that the server is to end; only at a terminal is there somebody to press a key. */
export function sayStopping(log: Log): void {
  log.info(log.text?.isTerminal === true ? 'Stopping. Press Ctrl+C again to leave at once.' : 'Stopping.')
}

/** `--reload` is for development, and so is debugging; `--no-debug` keeps it off. */
export function isDebugging({ debug, reload }: OptionValues): boolean {
  return debug ?? reload
}

function modesOf(options: OptionValues): string[] {
  const { reload, workers } = options
  const modes = [reload && 'reload', workers > 1 && `${workers} workers`, isDebugging(options) && 'debug']
  return modes.filter((mode) => mode !== false)
}

function sentence({ app, address, versions }: Served, modes: readonly string[], took: number): string {
  const name = versions === undefined ? 'amphis' : `amphis ${versions.amphis}`
  const python = versions && [`Python ${versions.python} (${environmentOf(versions)})`, versions.loop]
  return [`${name} serves ${app} at ${address}`, ...(python ?? []), ...modes, `ready in ${took} ms`].join(' · ')
}

function banner(text: TextFormat, { app, address, versions }: Served, modes: readonly string[], took: number): string {
  const { bold, cyan, dim, green } = text.styles
  const rows: [string, string][] = [
    ...addressesOf(address).map(([name, url]): [string, string] => [name, bold(cyan(url))]),
    ['App', app],
  ]
  if (versions !== undefined) {
    rows.push(['Python', `${versions.python} ${dim(`in ${environmentOf(versions)}`)}`], ['Loop', versions.loop])
  }
  if (modes.length > 0) rows.push(['Mode', modes.join(', ')])
  const title = `${bold(green('amphis'))} ${versions?.amphis ?? ''} ${dim(`ready in ${took} ms`)}`
  const lines = rows.map(([name, value]) => `  ${dim(name.padEnd(8))} ${value}`)
  return ['', `  ${title}`, '', ...lines, '', `  ${dim('Ctrl+C stops it.')}`, ''].join('\n')
}

/** What can be typed into a browser: an address that stands for all is none of those. */
function addressesOf(address: string): [name: string, url: string][] {
  const { protocol, host, port } = parts(address)
  if (host !== '0.0.0.0' && host !== '[::]') return [['Address', address]]
  const url = (name: string): string => `${protocol}//${name}:${port}`
  const networks = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((entry) => !entry.internal && isIPv4(entry.address))
    .map((entry): [string, string] => ['Network', url(entry.address)])
  return [['Local', url('localhost')], ...networks]
}

function isPublic(address: string): boolean {
  const { protocol, host } = parts(address)
  return protocol !== 'unix:' && host !== 'localhost' && host !== '[::1]' && !/^127(?:\.\d+){3}$/.test(host)
}

function parts(address: string): { protocol: string; host: string; port: string } {
  const [, protocol = '', host = '', port = ''] = /^(https?:|unix:)(?:\/\/(.*):(\d+)$)?/.exec(address) ?? []
  return { protocol, host, port }
}

/** The folder of a virtual environment, of any other Python its interpreter; short where that is possible. */
function environmentOf({ executable }: Versions): string {
  const folder = dirname(dirname(executable))
  const path = existsSync(join(folder, 'pyvenv.cfg')) ? folder : executable
  const near = relative(process.cwd(), path)
  if (near !== '' && !near.startsWith('..')) return near
  const home = homedir()
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path
}
