// npm run build: the runtime and the command line, each one file, in dist/.
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** Where amphis is imported from the checkout, the bundle imports the package. */
const amphis = {
  name: 'amphis',
  setup({ onResolve }) {
    onResolve({ filter: /\/amphis\.js$/ }, () => ({ path: 'amphis', external: true }))
  },
}

/** @param {string} out */
export async function buildAll(out = here('dist')) {
  const common = {
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [amphis],
    logLevel: 'error',
  }
  rmSync(out, { recursive: true, force: true })
  mkdirSync(`${out}/runtime`, { recursive: true })
  await build({
    ...common,
    entryPoints: [here('runtime/supervisor.ts'), here('runtime/child.ts')],
    outdir: `${out}/runtime`,
  })
  for (const name of ['amphis_function.py', 'Dockerfile', 'init.sh', 'install.py', 'network.py']) {
    cpSync(here(`runtime/${name}`), `${out}/runtime/${name}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll()
