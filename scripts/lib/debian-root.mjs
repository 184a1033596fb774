import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { mirrorOf } from './apt-sources.mjs'
import { programOf } from './debian-packages.mjs'
import { readStamp, writeStamp } from './fingerprint.mjs'
import { isDebianLike } from './machine.mjs'
import { fetchProblem } from './network.mjs'
import { inRoot, root } from './paths.mjs'
import { run } from './run.mjs'

/** The versions that Debian's unstable release has, and older releases of a distribution mostly have not. */
export const debianPythons = ['3.14', '3.15']

// A root of its own, because these Pythons want a newer C library than the machine's.
const folder = join(process.env.AMPHIS_TEST_ROOTS ?? inRoot('.cache/roots'), 'debian-sid')
const stampFile = join(folder, 'amphis-root.json')

const packages = [
  'ca-certificates',
  'libstdc++6', // for Node
  'fontconfig', // for Chromium, as the next three
  'fonts-dejavu-core',
  'libexpat1',
  'libnss3',
  'curl', // for tests, as the next three
  'less',
  'procps',
  'python3',
  ...debianPythons.flatMap((version) => [`python${version}`, `libpython${version}`, `python${version}-venv`]),
]

/** @param {string} field of /etc/os-release */
function osRelease(field) {
  if (!existsSync('/etc/os-release')) return undefined
  return new RegExp(`^${field}="?(.*?)"?$`, 'm').exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
}

const mirror = () => mirrorOf(osRelease('VERSION_CODENAME') ?? 'stable')

/**
 * Why a version cannot be had from Debian on this machine, and what to do.
 *
 * @param {string} version
 * @returns {Promise<string | undefined>}
 */
export async function obstacle(version) {
  const remedy = `install it, for instance with \`uv python install ${version}\``
  if (!isDebianLike() || osRelease('ID') !== 'debian') return `${remedy}; on Debian it is fetched from there`
  if (process.getuid?.() !== 0) return `${remedy}; as root it is fetched from Debian sid`
  if (!mirror()) return `${remedy}; /etc/apt names no mirror of Debian to fetch it from`
  const { code, output } = await run('unshare', ['--mount', 'true'], { quiet: true })
  return code === 0 ? undefined : `${remedy}; a root of Debian sid cannot be entered here: ${output.trim()}`
}

/** @type {import('./setup.mjs').Step} */
export const debianRoot = {
  title: `Making a root of Debian sid (270 MB in ${folder})`,
  isDone: () => JSON.stringify(readStamp(stampFile)) === JSON.stringify(packages),
  async problems() {
    return []
  },
  async run() {
    await programOf('mmdebstrap', ['mmdebstrap'])
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(dirname(folder), { recursive: true })
    const { uri, options } = mirror() ?? { uri: '', options: {} }
    const fields = { Types: 'deb', URIs: uri, Suites: 'sid', Components: 'main', ...options }
    const sources = `${folder}.sources`
    writeFileSync(
      sources,
      Object.entries(fields)
        .map(([name, value]) => `${name}: ${value}\n`)
        .join(''),
    )
    const { code, output } = await run('mmdebstrap', [
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      // sid's lists are good for a week only, and a mirror may stand still for longer. They are signed all the same.
      '--aptopt=Acquire::Check-Valid-Until "false"',
      'sid',
      folder,
      sources,
    ])
    if (code !== 0) throw fetchProblem('mmdebstrap', output)
    writeStamp(stampFile, packages)
  },
}

// In a mount namespace of its own, so that everything is unmounted when the last process in it has ended, however it
// ended.
const enter = `
set -e
root=$1
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
  mount --bind "$1" "$root$2"
  shift 2
done
shift
exec chroot "$root" env "$@"
`

/** What the machine has to say about networks, certificates and pip, for the set-up alone. */
function networkPaths() {
  const named = Object.entries(process.env)
    .filter(([name]) => /CERT|CA_BUNDLE|^PIP_/.test(name))
    .flatMap(([, value]) => (value && isAbsolute(value) ? [value] : []))
  const user = ['.config/pip', '.pip'].map((name) => join(homedir(), name))
  const all = ['/etc/resolv.conf', '/etc/hosts', '/etc/pip.conf', ...user, ...named]
  return [...new Set(all)].filter((path) => existsSync(path))
}

/** What of the environment the tests are told: the rest names paths of the machine. */
function testEnv() {
  const told = Object.entries(process.env).filter(([name]) => /^(?:AMPHIS_.*|CI|HOME|TERM|NO_COLOR)$/.test(name))
  return { ...Object.fromEntries(told), LANG: 'C.UTF-8' }
}

/**
 * Runs the Node.js at hand in the root, in the checkout, which is where it is outside.
 *
 * @param {string[]} args
 * @param {'online' | 'offline'} network whether it may fetch packages
 * @param {NodeJS.ProcessEnv} [env]
 */
export function runInDebian(args, network, env = {}) {
  const node = '/usr/local/bin/node'
  const online = network === 'online' ? networkPaths() : []
  const mounts = [[root, root], [process.execPath, node], ...online.map((path) => [path, path])]
  for (const [from = '', to = ''] of mounts) makeMountPoint(from, join(folder, to))
  const path = { PATH: '/usr/local/bin:/usr/bin:/bin' }
  const variables =
    network === 'online' ? { ...path, PIP_NO_CACHE_DIR: '1', ...env } : { ...testEnv(), ...path, ...env }
  const command = [
    ...(network === 'offline' ? ['--ignore-environment'] : []),
    `--chdir=${root}`,
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    node,
    ...args,
  ]
  return run('unshare', ['--mount', 'sh', '-c', enter, 'sh', folder, ...mounts.flat(), '--', ...command])
}

/**
 * @param {string} from
 * @param {string} to
 */
function makeMountPoint(from, to) {
  const isFolder = statSync(from).isDirectory()
  mkdirSync(isFolder ? to : dirname(to), { recursive: true })
  if (!isFolder) writeFileSync(to, '', { flag: 'a' })
}
