// npm run lambda:layer -- --out layer.zip [--python PREFIX] [--requirements FILE] [--glibc 2.34]: a layer for Lambda's managed
// Node.js: CPython with its shared library, Python's packages, and amphis. It is refused where a file in it needs a newer
// glibc than Lambda's Amazon Linux 2023 has, or where it is larger than Lambda takes.
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { glibcNeeds, isNewer } from './lib/elf-versions.mjs'
import { pack, packAddon } from './lib/pack.mjs'
import { fetchProblem } from './lib/network.mjs'
import { root } from './lib/paths.mjs'
import { Problem, main } from './lib/problem.mjs'
import { run } from './lib/run.mjs'
import { say } from './lib/say.mjs'
import { build, venv } from './lib/setup.mjs'

/** What function and layers may have together, unpacked, in bytes. */
const MOST = 250 * 2 ** 20

/** What nobody runs on Lambda. */
const LEFT_OUT = /^(?:test|idlelib|tkinter|turtledemo|ensurepip|lib2to3|site-packages|config-.*|__pycache__)$/

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: 'string' },
        python: { type: 'string' },
        requirements: { type: 'string' },
        glibc: { type: 'string', default: '2.34' },
      },
    })
    const { out, glibc, ...rest } = values
    if (out === undefined) throw new Error('--out is missing')
    if (!/^\d+\.\d+$/.test(glibc)) throw new Error('--glibc takes a version such as 2.34')
    return { out, glibc, ...rest }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new Problem(
      message,
      'npm run lambda:layer -- --out layer.zip --python /opt/python --requirements requirements.txt',
    )
  }
}

/** Python's own words about itself. */
const ABOUT = `
import json, sys, sysconfig
print(json.dumps({"prefix": sys.base_prefix, "version": "%d.%d" % sys.version_info[:2], "library": sysconfig.get_config_var("LDLIBRARY"), "libdir": sysconfig.get_config_var("LIBDIR")}))
`

/**
 * Copies a Python.
 *
 * @param {string} interpreter
 * @param {string} to
 */
async function copyPython(interpreter, to) {
  const { code, output } = await run(interpreter, ['-I', '-c', ABOUT], { quiet: true })
  if (code !== 0) throw new Problem(`${interpreter} is no Python that runs`, output.trim())
  const { prefix, version, library, libdir } = JSON.parse(output)
  const standard = join(prefix, 'lib', `python${version}`)
  cpSync(standard, join(to, 'lib', `python${version}`), {
    recursive: true,
    filter: (path) => !LEFT_OUT.test(relative(standard, path).split('/').at(-1) ?? ''),
  })
  const libraries = readdirSync(libdir).filter((name) => name.startsWith('libpython') && /\.so(?:\.|$)/.test(name))
  if (!libraries.some((name) => name.startsWith(library.replace(/\.so.*$/, '.so')))) {
    throw new Problem(
      `${prefix} has no shared library (${library})`,
      'take a Python that was built with --enable-shared',
    )
  }
  for (const name of libraries.filter((each) => each.includes(version) || each === 'libpython3.so')) {
    cpSync(join(libdir, name), join(to, 'lib', name), { verbatimSymlinks: true })
  }
  mkdirSync(join(to, 'bin'), { recursive: true })
  for (const name of ['python3', 'python']) {
    cpSync(join(prefix, 'bin', `python${version}`), join(to, 'bin', name), { dereference: true })
  }
  return { site: await siteOf(to), interpreter: join(prefix, 'bin', `python${version}`) }
}

/**
 * The folder that a copy of Python looks for packages in: that of Debian has a name of its own for it.
 *
 * @param {string} python
 */
async function siteOf(python) {
  const ask = ['-I', '-c', 'import site; print(site.getsitepackages()[0])']
  const env = { LD_LIBRARY_PATH: join(python, 'lib') }
  const { code, output } = await run(join(python, 'bin/python3'), ask, { quiet: true, env })
  if (code !== 0) throw new Problem('the copy of Python that is to be in the layer does not run', output.trim())
  return output.trim()
}

/** @param {string} folder */
function sizeOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + lstatSync(join(entry.parentPath, entry.name)).size, 0)
}

/** Zips a folder; symbolic links and modes are kept. */
const ZIP = `
import os, sys, zipfile
folder, out = sys.argv[1:]
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    for base, folders, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(base, name)
            inside = os.path.relpath(path, folder)
            if os.path.islink(path):
                entry = zipfile.ZipInfo(inside)
                entry.create_system = 3
                entry.external_attr = 0o120777 << 16
                archive.writestr(entry, os.readlink(path))
            else:
                archive.write(path, inside)
`

/**
 * @param {string} tool
 * @param {string} command
 * @param {string[]} args
 */
async function fetchBy(tool, command, args) {
  const { code, output } = await run(command, args, { quiet: true })
  if (code !== 0) {
    say(output.trim())
    throw fetchProblem(tool, output)
  }
}

await main(async () => {
  const options = readOptions()
  if (process.platform !== 'linux') throw new Problem('a layer is made on Linux', 'run it there, or deploy an image')
  const here = process.env.INIT_CWD ?? '.'
  const out = resolve(here, options.out)
  await build('release')
  const work = mkdtempSync(join(tmpdir(), 'amphis-layer-'))
  try {
    const python = options.python === undefined ? venv : resolve(here, options.python)
    const { site, interpreter } = await copyPython(
      lstatSync(python).isDirectory() ? join(python, 'bin/python3') : python,
      join(work, 'layer/python'),
    )
    mkdirSync(site, { recursive: true })
    if (options.requirements !== undefined) {
      const given = resolve(here, options.requirements)
      const target = ['--target', site, '--requirement', given, '--disable-pip-version-check']
      await fetchBy('pip install', interpreter, ['-m', 'pip', 'install', '--quiet', ...target])
    }
    const packages = [await pack(root, work), await packAddon(work)].filter((entry) => entry !== undefined)
    const nodejs = join(work, 'layer/nodejs')
    mkdirSync(nodejs)
    writeFileSync(join(nodejs, 'package.json'), '{ "private": true }\n')
    const install = ['install', '--prefix', nodejs, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
    await fetchBy('npm install', 'npm', [...install, ...packages.map(({ tarball }) => tarball)])
    const layer = join(work, 'layer')
    const tooNew = [...(await glibcNeeds(layer))].filter(([, version]) => isNewer(version, options.glibc))
    if (tooNew.length > 0) {
      const named = tooNew.map(([path, version]) => `${relative(layer, path)} (${version})`).join(', ')
      throw new Problem(
        `Lambda has glibc ${options.glibc}, and these need a newer one: ${named}`,
        'take a Python and packages that were built for it, or deploy an image',
      )
    }
    const size = sizeOf(layer)
    const inMegabytes = `${(size / 2 ** 20).toFixed(0)} MB`
    if (size > MOST)
      throw new Problem(`the layer has ${inMegabytes}, and Lambda takes 250`, 'leave packages out, or deploy an image')
    rmSync(out, { force: true })
    const { code, output } = await run(interpreter, ['-I', '-c', ZIP, layer, out], { quiet: true })
    if (code !== 0) throw new Problem(`${out} cannot be written`, output.trim())
    say(`${out}: ${inMegabytes} unpacked, no file needs more than glibc ${options.glibc}.`)
    return 0
  } finally {
    rmSync(work, { recursive: true })
  }
})
