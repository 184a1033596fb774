// The Versity gateway, an S3 server that checks signatures: the one that VERSITYGW names, else one that Go builds once, in
// .cache.
import { existsSync, mkdirSync } from 'node:fs'
import { fetchProblem } from './network.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'
import { say } from './say.mjs'

const version = 'v1.8.0'
const folder = inRoot('.cache/versitygw')
const built = `${folder}/versitygw`

/** The program. */
export async function versityGateway() {
  const named = process.env.VERSITYGW
  if (named) return named
  if (existsSync(built)) return built
  mkdirSync(folder, { recursive: true })
  say(`Building the Versity gateway ${version}: some minutes`)
  const words = ['install', `github.com/versity/versitygw/cmd/versitygw@${version}`]
  const { code, output } = await run('go', words, { env: { GOBIN: folder }, quiet: true })
  if (code === 127)
    throw new Problem(
      'there is neither a Versity gateway nor Go to build one',
      'name one: VERSITYGW=/path/to/versitygw',
    )
  if (code !== 0) throw fetchProblem('go install versitygw', output)
  return built
}
