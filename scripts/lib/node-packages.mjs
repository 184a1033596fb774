import { existsSync, readFileSync } from 'node:fs'
import { fetchProblem } from './network.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { colourEnv, run } from './run.mjs'

/** @typedef {Record<string, { version?: string, optional?: boolean, peer?: boolean }>} Packages */

/**
 * @param {string} path
 * @returns {Packages}
 */
function packagesOf(path) {
  const { '': _root, ...packages } = JSON.parse(readFileSync(inRoot(path), 'utf8')).packages
  return packages
}

/**
 * npm notes what it has installed in `node_modules/.package-lock.json`, last of all: that note answers for any kind of
 * install (`npm ci`, `npm install`), and one that was broken off has none.
 *
 * @param {string} folder relative to the root, with a slash at its end; empty for the root
 */
function areInstalled(folder) {
  const wanted = packagesOf(`${folder}package-lock.json`)
  /** @type {Packages} */
  let installed
  try {
    installed = packagesOf(`${folder}node_modules/.package-lock.json`)
  } catch {
    return false
  }
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    const there = installed[path]
    // Optional packages are mostly for other platforms.
    return there ? there.version === version && existsSync(inRoot(folder, path)) : optional
  })
}

/**
 * The packages of a folder that has a `package.json` and a lock file.
 *
 * @param {string} title
 * @param {string} [folder] relative to the root, with a slash at its end
 * @returns {import('./setup.mjs').Step}
 */
export function packagesIn(title, folder = '') {
  return {
    title,
    isDone: () => areInstalled(folder),
    async problems() {
      return []
    },
    async run() {
      const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
      const { code, output } = await run('npm', args, { env: colourEnv, cwd: inRoot(folder) })
      if (code === 127) throw new Problem('npm is missing', 'install Node.js with npm')
      if (code !== 0) throw fetchProblem('npm ci', output)
    },
  }
}

export const nodePackages = packagesIn('Installing npm packages')

/**
 * @param {string} what for people
 * @param {string} folder
 */
const packagesOfHost = (what, folder) =>
  packagesIn(`Installing npm packages (${what}, for the tests)`, `__test__/hosts/${folder}/`)

/** What the tests build with and the package does not: each in a project of its own. */
export const hostPackages = [
  packagesOfHost('Vite', 'vite'),
  packagesOfHost('Fastify', 'fastify'),
  packagesOfHost('Koa', 'koa'),
  packagesOfHost('Hono', 'hono'),
  packagesOfHost('bundlers', 'bundlers'),
  packagesIn('Installing npm packages (the functions of examples/)', 'examples/functions/'),
  packagesOfHost('Nest', 'nest'),
  packagesOfHost('test runners', 'runners'),
]

/** The same for the tests of `npm run test:hosts`. */
export const slowHostPackages = [
  packagesOfHost('Next.js', 'next'),
  packagesOfHost('OpenAPI', 'openapi'),
  packagesOfHost('h3, Nitro, tRPC', 'recipes'),
  packagesOfHost('SvelteKit', 'sveltekit'),
  packagesOfHost('React Router', 'react-router'),
  packagesOfHost('Astro', 'astro'),
]
