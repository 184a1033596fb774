// A PostgreSQL for tests, a real one: Debian's and Ubuntu's package `postgresql` has it.
import { existsSync, readdirSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPackages } from './debian-packages.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

/** Where Debian and Ubuntu have it: the newest of those installed, or the one that is installed now. */
export async function postgresHome() {
  const versions = '/usr/lib/postgresql'
  const newest = () => {
    const found = existsSync(versions) ? readdirSync(versions) : []
    return found.toSorted((a, b) => Number(a) - Number(b)).at(-1)
  }
  if (!newest()) await installPackages(['postgresql'])
  const version = newest()
  if (!version) throw new Problem('PostgreSQL is missing', 'install it: apt install postgresql')
  return join(versions, version)
}

/**
 * A database of the caller's own, which neither runs yet nor has been created: it listens on a socket in a folder, and lets
 * everybody of this machine in.
 *
 * @param {string} name of the database, and of its user
 */
export async function preparePostgres(name) {
  const programs = join(await postgresHome(), 'bin')
  // It does not run as root.
  const isRoot = process.getuid?.() === 0
  /** @param {string} command */
  const as = async (command) => {
    const [program, ...args] = isRoot ? ['runuser', '-u', 'postgres', '--', 'sh', '-c', command] : ['sh', '-c', command]
    const { code, output } = await run(program, args, { quiet: true })
    if (code !== 0) throw new Problem(`${command} failed: ${output}`, 'see above')
  }
  const folder = await mkdtemp(join(tmpdir(), 'amphis-postgres-'))
  await chmod(folder, 0o777)
  const data = join(folder, 'data')
  /** @param {string} words */
  const control = (words) => as(`${programs}/pg_ctl -D ${data} -w ${words}`)
  await as(`${programs}/initdb -D ${data} -U ${name} --auth trust`)
  const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off`
  return {
    /** `//user@/database?host=…`, which a driver's scheme goes before. */
    place: `//${name}@/${name}?host=${folder}`,
    start: () => control(`-l ${folder}/log -o "${options}" start`),
    stop: () => control('-m fast stop'),
    create: () => as(`${programs}/createdb -h ${folder} -U ${name} ${name}`),
    async remove() {
      await control('-m immediate stop').catch(() => {})
      await rm(folder, { recursive: true, force: true })
    },
  }
}
