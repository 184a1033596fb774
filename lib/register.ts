// `node --import amphis/register`: Node.js imports files of Python.
import * as nodeModule from 'node:module'
import { pathToFileURL } from 'node:url'
import { synchronous } from './modules/hooks.js'
import { programOf } from './package-root.js'

/** What Node 20 does not have, nor its types. */
const { registerHooks } = nodeModule as { registerHooks?: (hooks: typeof synchronous) => void }

if (registerHooks === undefined) nodeModule.register(pathToFileURL(programOf('modules/hooks')))
else registerHooks(synchronous)
