// Which bundler has taken the package in, to say how it leaves it out.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A bundler, and what is to be written for it. */
export interface Bundler {
  readonly name: string
  readonly remedy: string
}

// What webpack puts in its place, and ncc with a folder of assets.
declare const __webpack_require__: { readonly ab?: string } | undefined

const NEXT: Bundler = {
  name: 'Next.js',
  remedy: "serverExternalPackages: ['amphis'] in next.config.js, or withAmphis() of amphis/next",
}
const NCC: Bundler = { name: 'ncc', remedy: '--external amphis' }
const WEBPACK: Bundler = {
  name: 'webpack',
  remedy: "externals: { amphis: 'commonjs amphis' }, or 'module amphis' where modules are put out",
}
const ESBUILD: Bundler = { name: 'esbuild', remedy: '--external:amphis' }
const VITE: Bundler = { name: 'Vite', remedy: "ssr: { external: ['amphis'] }" }
const OTHER: Bundler = {
  name: 'a bundler',
  remedy: "external: [/^amphis/] for Rollup, --external:amphis for esbuild, ssr: { external: ['amphis'] } for Vite",
}

/** @param file the URL of the file that this code is in now; undefined where the bundler has left none */
export function bundlerOf(file: string | undefined): Bundler {
  if (process.env['NEXT_RUNTIME'] !== undefined) {
    return NEXT
  }
  if (typeof __webpack_require__ !== 'undefined') {
    return typeof __webpack_require__.ab === 'string' ? NCC : WEBPACK
  }
  if (file === undefined) {
    return ESBUILD
  }
  return byItsMarks(file)
}

// Both name the file that what follows is from. Only esbuild indents by spaces.
function byItsMarks(file: string): Bundler {
  let text: string
  try {
    text = readFileSync(fileURLToPath(file), 'utf8')
  } catch {
    return OTHER
  }
  if (!/^\/\/ .*\bamphis\/dist\//m.test(text)) {
    return OTHER
  }
  return /^\t/m.test(text) ? VITE : ESBUILD
}
