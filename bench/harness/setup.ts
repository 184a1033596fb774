import { chooseLoadGenerator } from '../load/generator.js'
import type { Context } from './context.js'
import { busyWarning, debugBuildWarning, describeMachine, type Machine } from './machine.js'
import { prepareNativePeers } from './native-peers.js'
import { prepareNodePeers } from './node-peers.js'
import type { Options } from './options.js'
import { preparePython } from './python.js'
import { prepareSmallFiles } from './small-file.js'

export interface SetUp {
  readonly context: Context
  readonly machine: Machine
  /** What a reader must know before believing anything. */
  readonly warnings: readonly string[]
}

/** Installs what is measured against, and says on what it will be measured. */
export async function setUp(options: Options, say: (line: string) => void): Promise<SetUp> {
  await prepareNodePeers(say)
  const python = await preparePython(options.python, say)
  await prepareNativePeers(python, say)
  await prepareSmallFiles()
  const load = await chooseLoadGenerator(options.load)
  const machine = await describeMachine(python)
  say(`${machine.cpu}, ${machine.cores} cores; load: ${load.title}`)
  say(
    Object.entries(machine.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  )
  const warnings = [load.caveat, await busyWarning(), await debugBuildWarning()].filter(
    (warning) => warning !== undefined,
  )
  warnings.forEach(say)
  return { context: { options, python, load, say }, machine, warnings }
}
