#!/usr/bin/env node
/** `amphis-functions`: serves, and asks a service. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { nearest } from '../server/nearest.js'
import { Failure } from './client.js'
import { deploy, invoke, list, logs, remove, type Values } from './commands.js'

type Options = NonNullable<ParseArgsConfig['options']>

interface Command {
  usage: string
  options: Options
  run: (words: string[], values: Values) => Promise<void>
}

const string = { type: 'string' } as const
const boolean = { type: 'boolean' } as const

const commands: Record<string, Command> = {
  serve: {
    usage:
      'serve [--host --port --state DIR --database URL --keys FILE --nats HOST:PORT --image NAME --offline DIR --build-network NAME --idle SECONDS --tries N --python PATH --unsafe-processes]',
    options: {
      host: string,
      port: string,
      state: string,
      keys: string,
      nats: string,
      database: string,
      image: string,
      offline: string,
      'build-network': string,
      idle: string,
      tries: string,
      python: string,
      'unsafe-processes': boolean,
    },
    run: async (...given) => (await import('./serve.js')).serveCommand(...given),
  },
  image: {
    usage: 'image [--base IMAGE --packages "…" --image NAME]',
    options: { base: string, packages: string, image: string },
    run: async (...given) => (await import('./serve.js')).image(...given),
  },
  deploy: {
    usage:
      'deploy DIR [--runtime node|python --handler FILE.FUNCTION --name --env NAME=value --memory MB --timeout MS --cpus --slots --min-replicas --max-replicas --network]',
    options: {
      runtime: string,
      handler: string,
      name: string,
      env: { type: 'string', multiple: true },
      memory: string,
      timeout: string,
      cpus: string,
      slots: string,
      'min-replicas': string,
      'max-replicas': string,
      network: boolean,
    },
    run: deploy,
  },
  invoke: { usage: 'invoke NAME [JSON] [--async]', options: { async: boolean }, run: invoke },
  logs: {
    usage: 'logs NAME [-f] [--tail N]',
    options: { follow: { type: 'boolean', short: 'f' }, tail: string },
    run: logs,
  },
  ls: { usage: 'ls', options: {}, run: list },
  rm: { usage: 'rm NAME', options: {}, run: remove },
}

const usage = ['Usage:', ...Object.values(commands).map((command) => `  amphis-functions ${command.usage}`)].join('\n')

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || name === '--help' || name === '-h') return void process.stdout.write(`${usage}\n`)
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command)
    throw new Failure(`there is no command ${name}; did you mean ${nearest(name, Object.keys(commands))}?\n${usage}`)
  let parsed: { values: Values; positionals: string[] }
  try {
    parsed = parseArgs({ args, options: command.options, allowPositionals: true })
  } catch (error) {
    const unknown = /Unknown option '-*([\w-]+)'/.exec((error as Error).message)?.[1]
    const names = Object.keys(command.options)
    const hint = unknown && names.length > 0 ? `; did you mean --${nearest(unknown, names)}?` : ''
    throw new Failure(
      `${unknown ? `there is no option --${unknown}` : (error as Error).message}${hint}\nUsage: amphis-functions ${command.usage}`,
    )
  }
  await command.run(parsed.positionals, parsed.values)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Failure)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
