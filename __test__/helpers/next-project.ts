import type { ExecutionContext } from 'ava'
import { HostProject } from './host-project.js'
import type { NodeProcess } from './node-process.js'

const PROGRAM = 'next/dist/bin/next'

/** A project of Next.js. */
export class NextProject {
  readonly #project: HostProject

  static async create(t: ExecutionContext, from?: string): Promise<NextProject> {
    return new NextProject(await HostProject.create(t, 'next', from))
  }

  private constructor(project: HostProject) {
    this.#project = project
  }

  get folder(): string {
    return this.#project.folder
  }

  path(name: string): string {
    return this.#project.path(name)
  }

  node(args: string[], env: NodeJS.ProcessEnv = {}, cwd = this.folder): NodeProcess {
    return this.#project.node(args, env, cwd)
  }

  next(args: string[], env: NodeJS.ProcessEnv = {}): NodeProcess {
    return this.node([this.path(`node_modules/${PROGRAM}`), ...args], env)
  }

  async build(env: NodeJS.ProcessEnv = {}): Promise<void> {
    await this.#project.build(PROGRAM, ['build'], env)
  }
}

/** Where a server of Next.js says that it listens. */
export async function addressOf(server: NodeProcess): Promise<string> {
  const line = await server.printsLine(/http:\/\/\S+:\d+/)
  await server.prints('Ready')
  return line.replace('localhost', '127.0.0.1')
}
