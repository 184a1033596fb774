/** `amphis-functions serve` and `amphis-functions image`. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DockerEngine } from '../server/docker-engine.js'
import { dockerClient } from '../server/docker.js'
import { MemoryQueue } from '../server/memory-queue.js'
import { NatsQueue } from '../server/nats-queue.js'
import { ProcessEngine } from '../server/process-engine.js'
import { buildRuntimeImage, RUNTIME_IMAGE } from '../server/runtime-image.js'
import { serve } from '../server/serve.js'
import { defaultState, Failure } from './client.js'
import type { Values } from './commands.js'

/** What `npm run build` has made: this file is a part of it. */
const dist = fileURLToPath(new URL('.', import.meta.url))
const runtime = join(dist, 'runtime')

const text = (value: Values[string]): string | undefined => (typeof value === 'string' ? value : undefined)
const amphisFolder = () => dirname(createRequire(import.meta.url).resolve('amphis/package.json'))

async function reachEngine() {
  const docker = dockerClient()
  try {
    await docker.ping()
  } catch (error) {
    const { message } = error as Error
    throw new Failure(
      `no container engine answers (${message}): start Docker or Podman, or set DOCKER_HOST. Without one --unsafe-processes runs functions as processes of this user`,
    )
  }
  return docker
}

export async function image(_words: string[], values: Values): Promise<void> {
  const docker = await reachEngine()
  const tag = text(values.image) ?? RUNTIME_IMAGE
  const progress = (line: string) => process.stderr.write(`  ${line}\n`)
  await buildRuntimeImage({
    docker,
    runtime,
    amphis: amphisFolder(),
    base: text(values.base),
    packages: text(values.packages),
    tag,
    progress,
  })
  process.stdout.write(`${tag} is built\n`)
}

function keysOf(file: string | undefined): string[] {
  const all = [process.env.AMPHIS_FUNCTIONS_KEYS ?? '', file === undefined ? '' : readFileSync(file, 'utf8')]
  const keys = all
    .join('\n')
    .split(/[\s,]+/)
    .filter(Boolean)
  const short = keys.find((key) => key.length < 16)
  if (short) throw new Failure('a key is shorter than 16 characters: make one with `openssl rand -base64 24`')
  return keys
}

export async function serveCommand(_words: string[], values: Values): Promise<void> {
  const state = resolve(text(values.state) ?? defaultState)
  const nats = text(values.nats)
  // By the environment where it holds a password: everybody sees a command's words.
  const database = text(values.database) ?? (process.env.AMPHIS_FUNCTIONS_DATABASE || undefined)
  if (database !== undefined && !/^postgres(?:ql)?:\/\//.test(database))
    throw new Failure('--database takes postgresql://USER@HOST/NAME; without it the state is in SQLite, in --state')
  const python = text(values.python)
  const runtimeImage = text(values.image) ?? RUNTIME_IMAGE
  const host = text(values.host) ?? '127.0.0.1'
  const unsafe = values['unsafe-processes'] === true
  if (!existsSync(runtime)) throw new Failure(`${runtime} is not there: npm run build`)
  const docker = unsafe ? undefined : await reachEngine()
  if (docker) {
    await docker
      .getImage(runtimeImage)
      .inspect()
      .catch(() => {
        throw new Failure(`the engine has no image ${runtimeImage}: amphis-functions image`)
      })
  }
  const keys = keysOf(text(values.keys))
  const queue = nats === undefined ? new MemoryQueue() : await NatsQueue.open(nats)
  const served = await serve({
    host,
    port: Number(values.port ?? 9000),
    folder: state,
    database,
    keys,
    queue,
    engine: ({ eventsApi, sockets }) =>
      docker
        ? new DockerEngine({
            docker,
            serviceId: state.replaceAll('/', '-'),
            sockets,
            runtimeImage,
            offline: text(values.offline),
            buildNetwork: text(values['build-network']),
          })
        : new ProcessEngine({
            folder: join(state, 'code'),
            runtime,
            eventsApi,
            amphis: fileURLToPath(import.meta.resolve('amphis')),
            python,
          }),
    pages: join(dist, 'public'),
    tries: values.tries === undefined ? undefined : Number(values.tries),
    idle: values.idle === undefined ? undefined : Number(values.idle) * 1000,
    python,
  }).catch(async (error: unknown) => {
    await queue.close()
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      ? new Failure(`${host}:${String(values.port ?? 9000)} is taken: choose another --port`)
      : error instanceof Error
        ? new Failure(error.message)
        : error
  })
  const lines = [
    `amphis-functions at ${served.url}`,
    `  functions  in ${unsafe ? 'PROCESSES' : `containers of ${runtimeImage}`}`,
    `  events     ${nats === undefined ? 'in memory: they end with this process' : `by NATS at ${nats}`}`,
    `  state      ${database === undefined ? state : `PostgreSQL, and ${state}`}`,
    `  key        ${served.key === undefined ? 'as given' : join(state, 'key')}`,
  ]
  if (unsafe)
    lines.push(
      '',
      '  WARNING: whoever has a key runs code as the user of this process, with all that it may read and do.',
      '',
    )
  process.stdout.write(`${lines.join('\n')}\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void served.close().then(() => process.exit()))
}
