// Programs for the tests that Go builds once, in .cache, where the machine has none.
import { existsSync, mkdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fetchProblem } from './network.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'
import { say } from './say.mjs'

/**
 * @param {object} program
 * @param {string} program.title
 * @param {string} program.place below .cache; the name of the file is that of the package
 * @param {string} program.source the package, with its version
 * @param {string} program.variable of the environment, which names another one
 * @returns {Promise<string>} its path
 */
export async function goProgram({ title, place, source, variable }) {
  const named = process.env[variable]
  if (named) return named
  const built = inRoot('.cache', place)
  if (existsSync(built)) return built
  const folder = dirname(built)
  mkdirSync(folder, { recursive: true })
  say(`Building ${title}: some minutes`)
  const { code, output } = await run('go', ['install', source], { env: { GOBIN: folder }, quiet: true })
  if (code === 127)
    throw new Problem(
      `there is neither ${title} nor Go to build one`,
      `name one: ${variable}=/path/to/${basename(built)}`,
    )
  if (code !== 0) throw fetchProblem(`go install ${basename(built)}`, output)
  return built
}
