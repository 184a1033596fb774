import { execFile } from 'node:child_process'
import { cp, mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { installedProject } from './installed.js'
import { fixtures } from './python.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

const CONFIG = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable', 'dom'],
    // As the bundlers have it that some of the frameworks come with.
    module: 'preserve',
    types: ['node'],
    strict: true,
    noEmit: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    // Of the frameworks: those of amphis are checked by npm run test:package.
    skipLibCheck: true,
  },
}

/**
 * What TypeScript says of `fixtures/host-types/<name>.ts` in a project that has amphis as npm installs it and nothing
 * else but the packages of its host, from a folder of `__test__/hosts` or, without one, from the repository's own.
 */
export async function checkHostTypes(
  t: ExecutionContext,
  name: string,
  packages: readonly string[],
  host?: string,
): Promise<string> {
  const config = JSON.stringify({ ...CONFIG, files: [`${name}.ts`] })
  const project = await installedProject(t, { 'tsconfig.json': config })
  await cp(join(fixtures, 'host-types', `${name}.ts`), join(project, `${name}.ts`))
  const link = async (from: string, wanted: string): Promise<void> => {
    const to = join(project, 'node_modules', wanted)
    await mkdir(dirname(to), { recursive: true })
    await symlink(join(from, wanted), to)
  }
  const own = join(root, 'node_modules')
  await Promise.all([
    link(own, '@types/node'),
    ...packages.map((wanted) =>
      link(host === undefined ? own : join(root, '__test__/hosts', host, 'node_modules'), wanted),
    ),
  ])
  const tsc = join(own, '.bin/tsc')
  const { stdout } = await promisify(execFile)(tsc, ['-p', '.', '--pretty', 'false'], { cwd: project }).catch(
    (error: unknown) => error as { stdout: string },
  )
  return stdout
}
