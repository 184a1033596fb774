import { inspectPython } from './find-python.mjs'
import { inRoot, testRequirements } from './paths.mjs'
import { Problem } from './problem.mjs'
import { pythonCandidates } from './python-candidates.mjs'
import { pythonPackages } from './python-packages.mjs'
import { complete } from './setup.mjs'

/**
 * Where the environment of a Python version is that the tests run in.
 *
 * @param {string} version such as 3.12
 */
export const testEnvironment = (version) => inRoot('.venvs', version)

/**
 * The first interpreter of a version that will do.
 *
 * @param {string} version
 * @returns {Promise<string | Problem | undefined>} undefined when there is none at all
 */
export async function findVersion(version) {
  /** @type {Problem | undefined} */
  let problem
  for (const candidate of pythonCandidates(version)) {
    const python = await inspectPython(candidate)
    if (python instanceof Problem) problem ??= python
    else if (python?.minor === version) return python.executable
  }
  return problem
}

/**
 * @param {string} version
 * @param {string} interpreter
 */
export async function completeTestEnvironment(version, interpreter) {
  await complete([pythonPackages(testEnvironment(version), testRequirements, interpreter)])
}
