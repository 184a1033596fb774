/** The service in a container, with the engine of the machine: what the README says of production. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ask } from '../../../__test__/helpers/functions-client.js'
import { followBuild } from '../server/docker-streams.js'
import { prepare } from './support.js'

const { containers, folder, base } = await prepare()
const TAG = 'amphis-functions-service-test:latest'
const KEY = 'a-key-of-the-service-image'

test('the image of the service deploys and invokes with the engine it is given', { timeout: 280_000 }, async (t) => {
  // As the README says.
  await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../build.mjs', import.meta.url))])
  const script = fileURLToPath(new URL('../service-image.sh', import.meta.url))
  const context = spawn('sh', [script], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout
  const options = { t: TAG, dockerfile: 'examples/functions/Dockerfile', buildargs: { BASE: base, PACKAGES: '' } }
  const { docker } = containers
  await followBuild((await docker.buildImage(context, options)) as unknown as AsyncIterable<Buffer>, () => {})
  await mkdir(join(folder, 'state'))
  await writeFile(join(folder, 'keys'), KEY)
  const state = join(folder, 'state')
  const container = await docker.createContainer({
    Image: TAG,
    Cmd: ['serve', '--host', '0.0.0.0', '--state', state, '--keys', '/run/keys', '--image', containers.image],
    ExposedPorts: { '9000/tcp': {} },
    HostConfig: {
      // The same path inside as outside: the engine mounts the sockets in it by the host's.
      Binds: [`${state}:${state}`, `${folder}/keys:/run/keys:ro`, `${containers.socket}:/var/run/docker.sock`],
      PortBindings: { '9000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] },
    },
  })
  await container.start()
  t.after(async () => {
    await container.remove({ force: true })
    await docker.getImage(TAG).remove({ force: true })
  })
  const { NetworkSettings } = await container.inspect()
  const url = `http://127.0.0.1:${NetworkSettings.Ports['9000/tcp']![0]!.HostPort}`
  const healthy = async () => (await ask(url, KEY, 'GET', '/yafaas/functions').catch(() => undefined))?.status === 200
  while (!(await healthy())) {
    const { State } = await container.inspect()
    if (!State.Running) assert.fail((await container.logs({ stdout: true, stderr: true })).toString())
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const spec = { name: 'inside', runtime: 'python', handler: 'app.handler' }
  const files = { 'app.py': 'def handler(event, context):\n    return event\n' }
  const deployed = await ask(url, KEY, 'POST', '/yafaas/functions', { ...spec, files })
  assert.equal(deployed.status, 201, deployed.text)
  const { body } = await ask(url, KEY, 'POST', '/yafaas/events', { function: 'inside', payload: 'hello' })
  assert.equal(body.result, 'hello')
  assert.equal((await ask(url, KEY, 'DELETE', '/yafaas/functions/inside')).status, 204)
})
