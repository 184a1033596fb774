// What the engine of `amphis.js` has to know of this Node.js: its version, and whether there can be an engine for it.
import type { Inspectors, NativeInspectors } from './inspector.js'

/** What of `process` is looked at. */
export interface NodeProcess {
  readonly versions: Readonly<Record<string, string | undefined>>
  readonly config: { readonly variables: Readonly<Record<string, unknown>> }
  readonly execPath: string
}

/** A Node.js, as the addon takes it. */
export interface NodeDescription {
  version: string
  /** The number of its binary interface. */
  moduleVersion: number
  /** Why no engine can serve it. */
  obstacle?: string
  program: string
}

/** Why no engine can serve a Node.js, whatever its version. */
function obstacleOf({ versions, config }: NodeProcess): string | undefined {
  if (versions['electron'] !== undefined) {
    return "it is Electron's, which is built otherwise than Node.js' own"
  }
  const { variables } = config
  if (isSet(variables['v8_enable_pointer_compression'])) {
    return 'it is built with pointer compression'
  }
  return isSet(variables['v8_enable_sandbox']) ? "it is built with V8's sandbox" : undefined
}

/** Flags of a build are numbers, or words. */
function isSet(flag: unknown): boolean {
  return flag === 1 || flag === true || flag === '1' || flag === 'true'
}

export function describeNode(node: NodeProcess): NodeDescription {
  const obstacle = obstacleOf(node)
  return {
    version: node.versions['node'] ?? '',
    moduleVersion: Number(node.versions['modules']),
    ...(obstacle !== undefined && { obstacle }),
    program: node.execPath,
  }
}

interface Native extends NativeInspectors {
  introduceNode: (description: NodeDescription) => void
  serveInspectors: (tell: (runtime: number, event: string[]) => void) => void
}

/** Tells the addon which Node.js it is in, and gives it sockets for debuggers. */
export function introduceNode(native: Native): void {
  native.introduceNode(describeNode(process))
  // One after another, the first once the module is there.
  let inspectors: Promise<Inspectors> | undefined
  let told: Inspectors | undefined
  native.serveInspectors((runtime, event) => {
    if (told !== undefined) {
      told.tell(runtime, event)
      return
    }
    inspectors ??= loadInspectors(native)
    void inspectors.then((loaded) => {
      told = loaded
      loaded.tell(runtime, event)
    })
  })
}

/** Most programs need none. */
async function loadInspectors(native: Native): Promise<Inspectors> {
  const loaded = await import('./inspector.js')
  return new loaded.Inspectors(native)
}
