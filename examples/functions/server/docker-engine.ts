/** Functions in containers, by the API of Docker or Podman. */
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type Docker from 'dockerode'
import { buildHost, functionHost } from './containment.js'
import { followBuild, linesOf, pieces, tarOf } from './docker-streams.js'
import { parseLine } from './log-buffer.js'
import { holdNetwork, releaseNetwork } from './network.js'
import { ProblemError } from './problem.js'
import type { CodeFiles, Engine, FunctionRecord, Instance, LogLine, LogOptions } from './types.js'

export interface DockerEngineOptions {
  docker: Docker
  /** Tells the containers of this service from those of others. */
  serviceId: string
  /** The folder of the sockets, one folder a function, as the engine's machine has it. */
  sockets: string
  /** What `amphis-functions image` has built. */
  runtimeImage: string
  /** A folder with `npm/` (a cache) and `pip/` (wheels) to install from where builds have no network. */
  offline?: string | undefined
  /** Which network builds have. Default `bridge`, and `none` with `offline`. */
  buildNetwork?: string | undefined
}

const LABEL = 'amphis.functions'
const USER = '65532:65532'
/** Bytes of the packages of a function. */
const MOST_PACKAGES = 700_000_000
/** Milliseconds that the installation may take. */
const INSTALL = 10 * 60_000

const status = (error: unknown) => (error as { statusCode?: number }).statusCode

export class DockerEngine implements Engine {
  readonly name = 'containers'
  readonly #options: DockerEngineOptions
  readonly #docker: Docker

  constructor(options: DockerEngineOptions) {
    this.#options = options
    this.#docker = options.docker
  }

  #labels(record: FunctionRecord): Record<string, string> {
    return {
      [LABEL]: this.#options.serviceId,
      [`${LABEL}.function`]: record.id,
      [`${LABEL}.version`]: String(record.version),
    }
  }

  #container(instanceId: string): Docker.Container {
    return this.#docker.getContainer(`amphis-${instanceId}`)
  }

  /** The image: the runtime, the code, the packages. No line of the user's runs while it is put together. */
  async build(record: FunctionRecord, code: CodeFiles, progress: (line: string) => void): Promise<string> {
    const hasPackages = code.has('package.json') || code.has('requirements.txt')
    const packages = hasPackages ? await this.#install(record, code, progress) : undefined
    const lines = [
      `FROM ${this.#options.runtimeImage}`,
      'COPY --chown=0:0 function/ /function/',
      ...(packages ? ['ADD --chown=0:0 packages.tar /function/'] : []),
      ...Object.entries(this.#labels(record)).map(([name, value]) => `LABEL ${name}=${value}`),
    ]
    const files: [string, Uint8Array | string][] = [['Dockerfile', lines.join('\n')]]
    for (const [path, bytes] of code) files.push([`function/${path}`, bytes])
    if (packages) files.push(['packages.tar', packages])
    const image = `amphis-functions/${record.id}:${record.version}`
    const context = Readable.from([await tarOf(files)])
    const stream = await this.#docker.buildImage(context, { t: image, networkmode: 'none', forcerm: true })
    await followBuild(stream as unknown as Readable, progress)
    return image
  }

  /** Packages are installed in a container as contained as functions are: their scripts are the user's code. */
  async #install(record: FunctionRecord, code: CodeFiles, progress: (line: string) => void): Promise<Buffer> {
    const { offline, buildNetwork = offline === undefined ? 'bridge' : 'none' } = this.#options
    const container = await this.#docker.createContainer({
      Image: this.#options.runtimeImage,
      Entrypoint: ['python3', '/opt/amphis-functions/install.py'],
      User: USER,
      Labels: { ...this.#labels(record), [`${LABEL}.build`]: 'true' },
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      // The tar is not to be kept as its log.
      HostConfig: { ...buildHost(offline), NetworkMode: buildNetwork, LogConfig: { Type: 'none', Config: {} } },
    })
    const timer = setTimeout(() => container.kill().catch(() => {}), INSTALL)
    try {
      const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true })
      await container.start()
      stream.on('error', () => {})
      stream.end(await tarOf(code))
      const log: string[] = []
      const tar: Buffer[] = []
      let bytes = 0
      for await (const { stream: name, data } of pieces(stream as AsyncIterable<Buffer>)) {
        if (name === 'stdout') {
          bytes += data.length
          if (bytes > MOST_PACKAGES)
            throw new ProblemError(422, 'build', `the packages have more than ${MOST_PACKAGES} bytes`)
          tar.push(Buffer.from(data))
        } else {
          for (const line of data.toString().trimEnd().split('\n')) {
            log.push(line)
            if (log.length > 2_000) log.shift()
            progress(line)
          }
        }
      }
      const { StatusCode } = (await container.wait()) as { StatusCode: number }
      if (StatusCode !== 0) {
        const why =
          StatusCode === 137 ? 'it was killed: too much memory, or longer than ten minutes' : `exit code ${StatusCode}`
        throw new ProblemError(422, 'build', `the packages were not installed (${why})`, {
          log: log.join('\n').slice(-20_000),
        })
      }
      return Buffer.concat(tar)
    } finally {
      clearTimeout(timer)
      await container.remove({ force: true, v: true }).catch(() => {})
    }
  }

  async start(record: FunctionRecord, instanceId: string, token: string): Promise<void> {
    // Its network has ended with it: it cannot join another one.
    if (record.network) await this.remove(instanceId)
    const network = record.network
      ? await holdNetwork(this.#docker, this.#options.runtimeImage, instanceId, this.#labels(record))
      : undefined
    try {
      await this.#container(instanceId).start()
      return
    } catch (error) {
      // 304: it runs already.
      if (status(error) === 304) return
      if (status(error) !== 404) throw error
    }
    const variables = {
      ...record.environment,
      FUNCTION_NAME: record.name,
      FUNCTION_RUNTIME: record.runtime,
      FUNCTION_HANDLER: record.handler,
      FUNCTION_SLOTS: String(record.slots),
      FUNCTION_MEMORY: String(record.memory),
      EVENTS_API: 'unix:///run/events',
      EVENTS_TOKEN: token,
    }
    const host = functionHost(record, join(this.#options.sockets, record.id))
    const container = await this.#docker.createContainer({
      name: `amphis-${instanceId}`,
      Image: record.image,
      User: USER,
      Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      Labels: { ...this.#labels(record), [`${LABEL}.instance`]: instanceId },
      HostConfig: network === undefined ? host : { ...host, NetworkMode: `container:${network}` },
    })
    await container.start()
  }

  async stop(instanceId: string): Promise<void> {
    await this.#container(instanceId)
      .stop({ t: 10 })
      .catch((error: unknown) => {
        if (status(error) !== 304 && status(error) !== 404) throw error
      })
    await releaseNetwork(this.#docker, instanceId)
  }

  async remove(instanceId: string): Promise<void> {
    await this.stop(instanceId)
    await this.#container(instanceId)
      .remove({ force: true, v: true })
      .catch((error: unknown) => {
        // 409: another server is removing it.
        if (status(error) !== 404 && status(error) !== 409) throw error
      })
  }

  async list(): Promise<Instance[]> {
    const label = [`${LABEL}=${this.#options.serviceId}`, `${LABEL}.instance`]
    const containers = await this.#docker.listContainers({ all: true, filters: { label } })
    return containers.map(({ Labels, State, Image }) => ({
      id: Labels[`${LABEL}.instance`] ?? '',
      functionId: Labels[`${LABEL}.function`] ?? '',
      version: Number(Labels[`${LABEL}.version`]),
      image: Image,
      running: State === 'running' || State === 'created',
    }))
  }

  async *logs(instanceId: string, { tail, follow, signal }: LogOptions): AsyncGenerator<LogLine> {
    const options = { stdout: true, stderr: true, tail }
    const stream = follow
      ? ((await this.#container(instanceId).logs({ ...options, follow: true })) as Readable)
      : Readable.from([await this.#container(instanceId).logs(options)])
    // Through a stream of our own: what Docker's gives at its end when it is destroyed is not our error.
    const through = stream.pipe(new PassThrough())
    const end = () => {
      stream.destroy()
      through.end()
    }
    stream.on('error', end)
    stream.on('close', end)
    signal.addEventListener('abort', end)
    try {
      for await (const line of linesOf(through as AsyncIterable<Buffer>)) yield parseLine(line, instanceId)
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }

  async has(image: string): Promise<boolean> {
    try {
      await this.#docker.getImage(image).inspect()
      return true
    } catch (error) {
      if (status(error) === 404) return false
      throw error
    }
  }

  async removeImage(image: string): Promise<void> {
    await this.#docker
      .getImage(image)
      .remove({ force: true })
      .catch((error: unknown) => {
        if (status(error) !== 404 && status(error) !== 409) throw error
      })
  }

  /** Containers outlive the service: the next one finds them again. */
  async close(): Promise<void> {}
}
