import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '')

/** @param {...string} parts */
export const inRoot = (...parts) => join(root, ...parts)

/** What `npm start` installs into `.venv`. */
export const demoRequirements = ['examples/express-fastapi/requirements.txt']

/** What the tests, the linters and the benchmarks install besides. */
export const testRequirements = [...demoRequirements, 'fixtures/requirements.txt', 'requirements-dev.txt']

/**
 * The interpreter of a virtual environment.
 *
 * @param {string} venv
 */
export const pythonOf = (venv) => join(venv, 'bin', 'python')
