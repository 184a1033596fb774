// `node --import amphis/register`: Node.js imports files of Python.
import * as nodeModule from 'node:module'
import { pathToFileURL } from 'node:url'
import { requirePython, synchronous } from './modules/hooks.js'
import { programOf } from './package-root.js'

/** What Node 20 does not have, nor its types; and what is not in them at all. */
interface NodeModule {
  registerHooks?: (hooks: typeof synchronous) => void
  _extensions: Record<string, typeof requirePython>
}

const { registerHooks } = nodeModule as unknown as NodeModule

if (registerHooks === undefined) {
  nodeModule.register(pathToFileURL(programOf('modules/hooks')))
  ;(nodeModule.default as unknown as NodeModule)._extensions['.py'] = requirePython
} else {
  registerHooks(synchronous)
}
