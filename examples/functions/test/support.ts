/** What the long tests have in common: an engine with the runtime's image, and a folder. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { buildExample } from '../../../__test__/helpers/functions-client.js'
import { containersWithRuntime } from '../../../__test__/helpers/functions-engine.js'
import { python } from './server-process.js'

export async function prepare() {
  const { dist, runtime, remove } = await buildExample()
  const containers = await containersWithRuntime(runtime, python)
  if (!containers) throw new Error('these tests need a container engine: the line above says how to have one')
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'amphis-functions-')))
  after(async () => {
    await remove()
    await rm(folder, { recursive: true, force: true })
    containers.release()
  })
  return { dist, containers, folder }
}
