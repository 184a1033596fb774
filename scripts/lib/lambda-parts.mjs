// What `npm run test:lambda` runs beside amphis: AWS' emulator of the Runtime API, built by Go, and the runtime client of
// Lambda's Node.js, which npm compiles. Both stay in .cache/.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs'
import { fetchProblem } from './network.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

const folder = 'conformance/aws-lambda'
const emulatorSource = `${folder}/emulator.txt`

const emulatorStamp = inRoot('.cache/lambda/emulator.json')

/** The emulator, a program. */
export const emulator = inRoot('.cache/lambda/bin/aws-lambda-rie')

/** The runtime client, a module that is started as `node CLIENT FILE.EXPORT`. */
export const runtimeClient = inRoot(folder, 'node_modules/aws-lambda-ric/bin/index.mjs')

/** What npm has compiled of it. */
export const compiledClient = inRoot(folder, 'node_modules/aws-lambda-ric/dist/rapid-client.node')

/** @type {import('./setup.mjs').Step} */
export const emulatorStep = {
  title: 'Building the Lambda Runtime Interface Emulator (half a minute)',
  isDone: () => readStamp(emulatorStamp) === fingerprint([emulatorSource]) && existsSync(emulator),
  async problems() {
    const { code } = await run('go', ['version'], { quiet: true })
    return code === 0 ? [] : [new Problem('Go is missing, which builds the emulator', 'install it: https://go.dev/dl')]
  },
  async run() {
    const built = fingerprint([emulatorSource])
    mkdirSync(inRoot('.cache/lambda/bin'), { recursive: true })
    const { code, output } = await run('go', ['install', readFileSync(inRoot(emulatorSource), 'utf8').trim()], {
      quiet: true,
      env: { GOBIN: inRoot('.cache/lambda/bin') },
    })
    if (code !== 0) throw fetchProblem('go install', output)
    writeStamp(emulatorStamp, built)
  },
}

/** @type {import('./setup.mjs').Step} */
export const runtimeClientStep = {
  title: 'Compiling the Lambda runtime client (two minutes)',
  isDone: () => existsSync(compiledClient),
  async problems() {
    const missing = []
    for (const tool of ['autoconf', 'automake', 'libtoolize', 'cmake', 'make', 'g++']) {
      if ((await run(tool, ['--version'], { quiet: true })).code !== 0) missing.push(tool)
    }
    return missing.length === 0
      ? []
      : [
          new Problem(
            `${missing.join(', ')} missing, by which the runtime client is compiled`,
            'on Debian and Ubuntu: apt install autoconf automake libtool cmake g++ make',
          ),
        ]
  },
  async run() {
    const { code, output } = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: inRoot(folder),
      quiet: true,
    })
    if (code !== 0) throw fetchProblem('npm ci', output)
    if (!existsSync(compiledClient))
      throw new Problem('npm has not compiled the runtime client', 'let it run install scripts')
  },
}
