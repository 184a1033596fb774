// Node.js' permission model: what it has refused, and the flags that amphis needs under it.
import { AmphisError } from './errors.js'

/** What Node.js names in an error: the flag that allows it, and a word for it. */
const SCOPES: Readonly<Record<string, readonly [flag: string, what: string]>> = {
  Addon: ['--allow-addons', 'load a native addon'],
  ChildProcess: ['--allow-child-process', 'start a process'],
  FileSystemRead: ['--allow-fs-read', 'read'],
  FileSystemWrite: ['--allow-fs-write', 'write'],
  Inspector: ['--allow-inspector', 'open the inspector'],
  Net: ['--allow-net', 'use the network'],
  WorkerThreads: ['--allow-worker', 'start a thread'],
}

/** All that amphis needs under the permission model. */
export const NEEDED_FLAGS =
  'Under the permission model amphis needs --allow-addons and --allow-fs-read=* (or for the folders of amphis, of the ' +
  'app, of the environment and of the Python behind it, and for /proc/self/maps), --allow-child-process where Python ' +
  'has to be asked what it is, for --workers and for --reload, and --allow-worker where it runs in worker threads.'

interface Permission {
  has(scope: string, reference?: string): boolean
}

/** Whether Node.js keeps files from this process. Python itself, being native code, is not held back. */
function mayReadOnlySomeFiles(): boolean {
  // The types of Node.js 20 do not know it.
  const { permission } = process as { permission?: Permission }
  // Without a path, Node.js 20 tells whether any file may be read.
  return permission !== undefined && !(permission.has('fs.read') && permission.has('fs.read', '/'))
}

/** The error for what the permission model has refused, or has hidden from a search; else the error itself. */
export function withPermissions(error: unknown): unknown {
  if (error instanceof AmphisError && error.code.endsWith('_NOT_FOUND') && mayReadOnlySomeFiles()) {
    return new AmphisError(
      'AMPHIS_ERR_NODE_PERMISSION',
      'This Node.js is started with --permission and may read some files only, and Python, or its library, is not among ' +
        `them: give it --allow-fs-read for them too. ${NEEDED_FLAGS}`,
      { cause: error },
    )
  }
  if (!(error instanceof Error)) {
    return error
  }
  const {
    code,
    permission = '',
    resource = '',
  } = error as Error & Partial<Record<'code' | 'permission' | 'resource', string>>
  if (code !== 'ERR_ACCESS_DENIED') {
    return error
  }
  const [flag, what] = SCOPES[permission] ?? ['the flag for it', permission]
  const isFile = permission.startsWith('FileSystem') && resource !== ''
  return new AmphisError(
    'AMPHIS_ERR_NODE_PERMISSION',
    `This Node.js is started with --permission, which does not let it ${what}${resource && ` ${resource}`} ` +
      `(ERR_ACCESS_DENIED): give it ${flag}${isFile ? `=${resource}` : ''}. ${NEEDED_FLAGS}`,
    { cause: error },
  )
}

/** @throws {AmphisError} where the permission model lets nobody start a process */
export function assertMayStartProcesses(): void {
  const { permission } = process as { permission?: Permission }
  if (permission?.has('child') === false) {
    throw withPermissions(
      Object.assign(new Error('No processes'), { code: 'ERR_ACCESS_DENIED', permission: 'ChildProcess' }),
    )
  }
}
