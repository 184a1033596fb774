// npm run build: the runtime and the command line, each one file, in dist/.
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
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

/** @param {string} out within the folder of the example, for the command line imports its packages */
export async function buildAll(out = here('dist')) {
  // amphis is not on npm yet: what `npm install ../amphis` does in a project of one's own.
  try {
    symlinkSync('../../..', here('node_modules/amphis'))
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
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
  await build({
    ...common,
    entryPoints: { cli: here('cli/main.ts') },
    outdir: out,
    packages: 'external',
    // Who asks a service loads nothing of it.
    splitting: true,
  })
  chmodSync(`${out}/cli.js`, 0o755)
  cpSync(here('server/store.py'), `${out}/store.py`)
  cpSync(here('public'), `${out}/public`, { recursive: true })
  for (const name of ['amphis_function.py', 'Dockerfile', 'init.sh', 'install.py', 'network.py']) {
    cpSync(here(`runtime/${name}`), `${out}/runtime/${name}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll()
