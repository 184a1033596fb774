import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { mirrorOf } from './apt-sources.mjs'
import { programOf } from './debian-packages.mjs'
import { readStamp, writeStamp } from './fingerprint.mjs'
import { isDebianLike } from './machine.mjs'
import { fetchProblem } from './network.mjs'
import { inRoot, pythonOf, root } from './paths.mjs'
import { run } from './run.mjs'
import { venv } from './setup.mjs'

/** The versions that Debian's unstable release has, and older releases of a distribution mostly have not. */
export const debianPythons = ['3.14', '3.15']

// A root of its own, because these Pythons want a newer C library than the machine's.
const folder = join(process.env.AMPHIS_TEST_ROOTS ?? inRoot('.cache/roots'), 'debian-sid')
const stampFile = join(folder, 'amphis-root.json')

const packages = [
  'ca-certificates',
  'libstdc++6', // for Node
  'g++', // for tests of modules in C and C++
  'python3-pip', // for what installs with a Python that is no environment
  'fontconfig', // for Chromium, as the next three
  'fonts-dejavu-core',
  'libexpat1',
  'libnss3',
  'curl', // for tests, as the next three
  'less',
  'procps',
  'python3',
  ...debianPythons.flatMap((version) => [`python${version}`, `libpython${version}-dev`, `python${version}-venv`]),
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
    // Debian's own would be imported in the place of an environment's.
    for (const version of debianPythons)
      rmSync(join(folder, `usr/lib/python${version}/sitecustomize.py`), { force: true })
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/local/bin/npm'))
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

const NETWORK = /CERT|CA_BUNDLE|^PIP_|^npm_config_(?:registry|cafile)$|_proxy$/i

/** What the machine has to say about networks, certificates and pip. */
function networkPaths() {
  const named = Object.entries(process.env)
    .filter(([name]) => NETWORK.test(name))
    .flatMap(([, value]) => (value && isAbsolute(value) ? [value] : []))
  const user = ['.config/pip', '.pip', '.npmrc'].map((name) => join(homedir(), name))
  const all = ['/etc/resolv.conf', '/etc/hosts', '/etc/pip.conf', ...user, ...named]
  return [...new Set(all)].filter((path) => existsSync(path))
}

/** The machine's npm, and the Python of the environment that the set-up has made. */
function toolMounts() {
  const npm = (process.env.PATH ?? '')
    .split(delimiter)
    .map((each) => join(each, 'npm'))
    .find((each) => existsSync(each))
  const python = dirname(dirname(realpathSync(pythonOf(venv))))
  return [
    ...(npm === undefined ? [] : [[dirname(dirname(realpathSync(npm))), '/usr/local/lib/node_modules/npm']]),
    // A distribution's own is another in the root, and one beside it would hide what is there.
    ...(/^\/usr(?:\/local)?$/.test(python) ? [] : [[python, python]]),
  ]
}

/** What of the environment the tests are told: the rest names paths of the machine. */
function testEnv() {
  const isTold = /^(?:AMPHIS_.*|CI|HOME|TERM|NO_COLOR)$/
  const told = Object.entries(process.env).filter(([name]) => isTold.test(name) || NETWORK.test(name))
  return { ...Object.fromEntries(told), LANG: 'C.UTF-8' }
}

/**
 * Runs the Node.js at hand in the root, in the checkout, which is where it is outside.
 *
 * @param {string[]} args
 * @param {'set-up' | 'tests'} kind tests are told little of the machine's environment
 * @param {NodeJS.ProcessEnv} [env]
 */
export function runInDebian(args, kind, env = {}) {
  const node = '/usr/local/bin/node'
  const tools = kind === 'tests' ? toolMounts() : []
  const mounts = [[root, root], [process.execPath, node], ...tools, ...networkPaths().map((path) => [path, path])]
  for (const [from = '', to = ''] of mounts) makeMountPoint(from, join(folder, to))
  const path = { PATH: '/usr/local/bin:/usr/bin:/bin' }
  const variables = kind === 'set-up' ? { ...path, PIP_NO_CACHE_DIR: '1', ...env } : { ...testEnv(), ...path, ...env }
  const command = [
    ...(kind === 'tests' ? ['--ignore-environment'] : []),
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
