/** The network of a function that asked for one: held by a container of the service's, which closes parts of it first. */
import type Docker from 'dockerode'

const NETWORK = 'amphis-functions'
const nameOf = (instanceId: string) => `amphis-net-${instanceId}`
const status = (error: unknown) => (error as { statusCode?: number }).statusCode

/** Its containers do not see each other. */
async function ensureNetwork(docker: Docker): Promise<void> {
  const found = await docker.listNetworks({ filters: { name: [`^${NETWORK}$`] } })
  if (found.length > 0) return
  await docker
    .createNetwork({
      Name: NETWORK,
      CheckDuplicate: true,
      Options: { 'com.docker.network.bridge.enable_icc': 'false' },
    })
    .catch((error: unknown) => {
      if (status(error) !== 409) throw error
    })
}

/** The id of the container whose network the function joins, once metadata addresses are blocked in it. */
export async function holdNetwork(
  docker: Docker,
  image: string,
  instanceId: string,
  labels: Record<string, string>,
): Promise<string> {
  await ensureNetwork(docker)
  await releaseNetwork(docker, instanceId)
  const holder = await docker.createContainer({
    name: nameOf(instanceId),
    Image: image,
    Entrypoint: ['python3', '/opt/amphis-functions/network.py'],
    User: '0:0',
    Labels: { ...labels, 'amphis.functions.network': instanceId },
    HostConfig: {
      NetworkMode: NETWORK,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: ['NET_ADMIN'],
      SecurityOpt: ['no-new-privileges'],
      Memory: 64 * 1024 * 1024,
      PidsLimit: 8,
    },
  })
  const stream = await holder.attach({ stream: true, stdout: true, stderr: true })
  await holder.start()
  const said: string[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    said.push(chunk.subarray(8).toString())
    if (said.join('').includes('ready')) return holder.id
  }
  throw new Error(`the network of ${instanceId} could not be closed to metadata: ${said.join('')}`)
}

export async function releaseNetwork(docker: Docker, instanceId: string): Promise<void> {
  await docker
    .getContainer(nameOf(instanceId))
    .remove({ force: true, v: true })
    .catch((error: unknown) => {
      if (status(error) !== 404 && status(error) !== 409) throw error
    })
}
