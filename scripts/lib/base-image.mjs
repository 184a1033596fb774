// Base images for the tests where no hub is to be had: the machine's own Node.js, npm, Python and C library, nothing of
// its settings, and other programs of the machine where they are asked for. A Dockerfile for users names an official image
// by `ARG BASE`, and tests put one of these in its place.
import { execFile, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from './debian-packages.mjs'
import { pythonOf } from './paths.mjs'
import { Problem } from './problem.mjs'

const run = promisify(execFile)

export const baseImage = 'amphis-machine-base:latest'

/** What else of the C library programs load while they run. */
const loadedLater =
  /^lib(?:c|m|dl|rt|pthread|util|resolv|nss_(?:files|dns)|z|bz2|lzma|ffi|ssl|crypto|sqlite3|uuid|expat)\.so\.[\d.]+$/

/** @param {string} file @returns {Promise<string[]>} */
async function librariesOf(file) {
  const { stdout } = await run('ldd', [file]).catch(() => ({ stdout: '' }))
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+)/gm)].map(([, path = '']) => path)
}

/** @param {string} folder @returns {string[]} */
function extensionsOf(folder) {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.so'))
        .map((name) => join(folder, name))
    : []
}

/**
 * @param {string} python
 * @returns {Promise<{ executable: string, prefix: string, stdlib: string, library: string }>}
 */
async function pythonParts(python) {
  const program = `import json, os, sys, sysconfig
get = sysconfig.get_config_var
print(json.dumps({
  "executable": os.path.realpath(sys.executable), "prefix": sys.base_prefix,
  "stdlib": sysconfig.get_path("stdlib"),
  "library": os.path.join(get("LIBDIR"), get("INSTSONAME")),
}))`
  return JSON.parse((await run(python, ['-c', program])).stdout)
}

/**
 * What an image has besides.
 *
 * @typedef {object} Extra
 * @property {string} name of the image, with its tag
 * @property {string[]} programs by name or path
 * @property {string[]} [folders]
 */

/**
 * Imports the image into an engine, unless it is there.
 *
 * @param {string} socketPath
 * @param {string} venv the environment whose base Python is taken
 * @param {Extra} [extra]
 * @returns {Promise<string>} its name
 */
export async function importBaseImage(socketPath, venv, extra = { name: baseImage, programs: [] }) {
  if ((await ask(socketPath, 'GET', `/images/${extra.name}/json`)).status === 200) return extra.name
  const python = await pythonParts(pythonOf(venv))
  const node = realpathSync(process.execPath)
  const npm = npmFolder(node)
  const extensions = extensionsOf(join(python.stdlib, 'lib-dynload'))
  const named = ['/bin/sh', '/usr/bin/env', ...extra.programs].map(pathOf)
  const programs = [node, python.executable, python.library, ...named, ...extensions]
  const libraries = new Set((await Promise.all(programs.map(librariesOf))).flat())
  for (const library of libraries) {
    if (!/\/libc\.so/.test(library)) continue
    for (const name of readdirSync(dirname(library)))
      if (loadedLater.test(name)) libraries.add(join(dirname(library), name))
  }
  const folders = [python.stdlib, npm, ...(extra.folders ?? [])]
  const files = [node, python.executable, python.library, ...named, ...folders, ...libraries]
  const own = mkdtempSync(join(tmpdir(), 'amphis-base-'))
  try {
    layOut(own, { node, npm, python: python.executable })
    await importTar(
      socketPath,
      extra.name,
      files.flatMap((file) => [file, realpathSync(file)]),
      own,
    )
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
  return extra.name
}

/** @param {string} program */
function pathOf(program) {
  const path = isAbsolute(program) ? program : findProgram(program)
  if (!path) throw new Problem(`${program} is missing`, 'install it: a base image for the tests is made of it')
  return path
}

/** npm, wherever this Node has it. @param {string} node */
function npmFolder(node) {
  const found = [
    process.env.npm_execpath && dirname(dirname(process.env.npm_execpath)),
    join(dirname(node), '../lib/node_modules/npm'),
  ]
  const folder = found.find((path) => path && existsSync(join(path, 'bin/npm-cli.js')))
  if (!folder) throw new Problem(`npm is not beside ${node}`, 'install Node.js with npm')
  return realpathSync(folder)
}

/**
 * Links and files that the image has and the machine has elsewhere.
 *
 * @param {string} own
 * @param {{ node: string, npm: string, python: string }} programs
 */
function layOut(own, { node, npm, python }) {
  for (const folder of ['usr/local/bin', 'etc', 'tmp', 'bin', 'root']) mkdirSync(join(own, folder), { recursive: true })
  chmodSync(join(own, 'tmp'), 0o1777)
  const bin = join(own, 'usr/local/bin')
  // What lies in a temporary folder is hidden in a container that has one of its own.
  if (node.startsWith(`${realpathSync(tmpdir())}/`)) copyFileSync(node, join(bin, 'node'))
  else symlinkSync(node, join(bin, 'node'))
  for (const [name, target] of Object.entries({ npm: `${npm}/bin/npm-cli.js`, python3: python, python })) {
    symlinkSync(target, join(bin, name))
  }
  writeFileSync(join(own, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n')
  writeFileSync(join(own, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
}

/**
 * @param {string} socketPath
 * @param {string} name
 * @param {string[]} files
 * @param {string} own
 */
async function importTar(socketPath, name, files, own) {
  // Top folders that are links on the machine (/lib, /bin) are links in the image.
  const links = ['/bin', '/lib', '/lib64', '/sbin'].filter((path) => existsSync(path) && realpathSync(path) !== path)
  const options = [
    '--exclude=__pycache__',
    '--exclude=test',
    '--exclude=site-packages/[!p]*',
    '--exclude=site-packages/p[!i]*',
  ]
  const relative = (/** @type {string} */ path) => path.slice(1)
  const named = [...new Set([...links, ...files.map(throughLinks)])].map(relative)
  const args = [
    '--create',
    '--owner=0',
    '--group=0',
    '--mode=a+rX',
    ...options,
    '-C',
    '/',
    ...named,
    '-C',
    own,
    'usr',
    'etc',
    'tmp',
    'root',
  ]
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  tar.stderr.on('data', (chunk) => (said += chunk))
  const [repo, tag] = name.split(':')
  const change = encodeURIComponent('ENV PATH=/usr/local/bin:/usr/bin:/bin')
  const answer = await ask(
    socketPath,
    'POST',
    `/images/create?fromSrc=-&repo=${repo}&tag=${tag}&changes=${change}`,
    tar.stdout,
  )
  if (answer.status !== 200 || /"error"/.test(answer.body))
    throw new Problem(`the base image was not imported (${answer.body} ${said})`, 'see what is wrong with it')
}

/** A file where it really is, as far as its folders go: the name itself may be a link. @param {string} path */
function throughLinks(path) {
  return join(realpathSync(dirname(path)), path.slice(dirname(path).length + 1))
}

/**
 * @param {string} socketPath
 * @param {string} method
 * @param {string} path
 * @param {import('node:stream').Readable} [body]
 * @returns {Promise<{ status: number, body: string }>}
 */
function ask(socketPath, method, path, body) {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath, method, path }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
    })
    req.on('error', reject)
    if (body) body.pipe(req)
    else req.end()
  })
}
