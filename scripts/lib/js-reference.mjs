// The reference of `amphis.js`, which Python has: its docstrings are in the addon.
import { inRoot, pythonOf } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

/** @returns {Promise<string>} Markdown */
export async function jsReference() {
  const words = [
    'run',
    '--python',
    pythonOf(inRoot('.venv')),
    inRoot('scripts/lib/js_reference.py'),
    inRoot('python/amphis/js.pyi'),
  ]
  const { code, output } = await run(process.execPath, [inRoot('bin/amphis.js'), ...words], { quiet: true })
  if (code !== 0) throw new Problem(`the docstrings of amphis.js cannot be read: ${output}`, 'npm run build')
  return output.trim()
}
