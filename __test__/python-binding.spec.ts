import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { AmphisError } from '../lib/base/errors.js'
import { bindingError, loadBinding } from '../lib/python/load.js'
import { platformName } from '../lib/python/platform.js'
import { temporaryFolder, writeDeep } from './helpers/fake-python.js'

const platform = platformName()
const addon = `amphis-${platform}`

/** A folder as npm installs this package, with the files given. */
async function install(t: ExecutionContext, files: Record<string, string>): Promise<{ folder: string; root: URL }> {
  const folder = await temporaryFolder(t)
  await writeDeep(join(folder, 'package.json'), '{ "name": "amphis", "version": "1.2.3", "type": "module" }')
  for (const [name, text] of Object.entries(files)) {
    await writeDeep(join(folder, name), text)
  }
  return { folder, root: pathToFileURL(`${folder}/`) }
}

/** The optional dependency, of a version. */
function dependency(version: string): Record<string, string> {
  const folder = `node_modules/${addon}`
  return {
    [`${folder}/package.json`]: JSON.stringify({ name: addon, version, main: 'addon.cjs' }),
    [`${folder}/addon.cjs`]: 'module.exports = { from: "dependency" }',
  }
}

/** A loader as napi-rs generates it: tries its files in turn, and gives what they said as a chain of causes. */
const GENERATED = `
const errors = []
function load() {
  for (const name of ['./amphis.${platform}.node', '${addon}']) {
    try {
      return require(name)
    } catch (error) {
      errors.push(error)
    }
  }
}
const binding = load()
if (!binding) {
  const error = new Error('Cannot find native binding. npm has a bug related to optional dependencies.')
  error.cause = errors.reduce((cause, { message }) => Object.assign(new Error(message), { cause }), null)
  throw error
}
module.exports = binding
`

function fails(t: ExecutionContext, root: URL, ...words: string[]): AmphisError {
  const error = t.throws<AmphisError>(() => loadBinding(root), { instanceOf: AmphisError })
  t.is(error.code, 'AMPHIS_ERR_BINDING')
  for (const word of words) {
    t.true(error.message.includes(word), error.message)
  }
  return error
}

test('loads the addon that the optional dependency brings', async (t) => {
  const { root } = await install(t, { 'binding.cjs': GENERATED, ...dependency('1.2.3') })
  t.deepEqual(loadBinding<object>(root), { from: 'dependency' })
})

test('refuses an addon of another version, before it is loaded', async (t) => {
  const { root } = await install(t, { 'binding.cjs': 'throw new Error("loaded")', ...dependency('1.2.2') })
  fails(t, root, 'amphis 1.2.3', `${addon} 1.2.3`, '1.2.2 is installed', 'npm install amphis@1.2.3')
})

test('does not ask for the version of a dependency when the addon was built here', async (t) => {
  const files = { 'binding.cjs': 'module.exports = { from: "build" }', [`amphis.${platform}.node`]: '' }
  const { root } = await install(t, { ...files, ...dependency('0.0.1') })
  t.deepEqual(loadBinding<object>(root), { from: 'build' })
})

test('names the build where the package was never built', async (t) => {
  const { root, folder } = await install(t, {})
  fails(t, root, join(folder, 'binding.cjs'), 'npm run build')
})

test('says why an addon does not load rather than that it is missing', async (t) => {
  const { root } = await install(t, { 'binding.cjs': GENERATED, [`amphis.${platform}.node`]: 'junk'.repeat(400) })
  const error = fails(t, root, platform, 'cannot be loaded', `amphis.${platform}.node`, 'npm run build')
  const { message } = error.cause as Error
  t.true(error.message.includes(message) && !message.includes('npm has a bug'), message)
})

test('says that the addon is missing when no file of it is there', async (t) => {
  const { root } = await install(t, { 'binding.cjs': GENERATED })
  const error = fails(t, root, `The native addon of amphis for ${platform} is not installed`)
  t.false(error.message.includes('npm has a bug'))
})

/** The error on a platform where no file of the addon was found. */
function missingOn(name: string): AmphisError {
  const cause = new Error(`Cannot find module 'amphis-${name}'`)
  const error = new Error('Cannot find native binding.', { cause })
  return bindingError({ platform: name, name: `amphis-${name}`, version: '1.2.3' }, error)
}

test('names the package that is missing and three ways to get it', (t) => {
  const { code, message } = missingOn('linux-x64-gnu')
  t.is(code, 'AMPHIS_ERR_BINDING')
  t.regex(message, /optional dependency amphis-linux-x64-gnu@1\.2\.3 is missing/)
  t.regex(message, /\(1\).*--omit=optional.*\(2\).*lockfile.*\(3\).*npm install amphis-linux-x64-gnu@1\.2\.3/)
})

test('says that Alpine is not supported, and what to use instead', (t) => {
  const { message } = missingOn('linux-x64-musl')
  t.regex(message, /linux-x64-musl is not installed: none is published/)
  t.regex(message, /not with musl: use an image such as node:22-slim/)
})

test('names the prebuilt platforms and the way to build where there is none', (t) => {
  t.regex(missingOn('linux-arm64-gnu').message, /darwin-arm64, darwin-x64, linux-x64-gnu.*npm run build/)
  t.regex(missingOn('win32-x64').message, /WSL/)
})

test('blames the distribution for a glibc that is too old', (t) => {
  const cause = new Error("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.99' not found (required by amphis.node)")
  const error = new Error('Cannot find native binding.', { cause })
  const { message } = bindingError({ platform, name: addon, version: '1.2.3' }, error)
  t.regex(message, /GLIBC_2\.99.*Use a Linux distribution with a newer glibc/)
})

test('blames the Python for a symbol of it that is missing', (t) => {
  const linux = 'amphis.linux-x64-gnu.node: undefined symbol: PyTraceBack_Type'
  const mac = "symbol not found in flat namespace '_PyTraceBack_Type'"
  for (const words of [linux, mac]) {
    const error = new Error('Cannot find native binding.', { cause: new Error(words) })
    const { message } = bindingError({ platform, name: addon, version: '1.2.3' }, error)
    t.regex(message, /PyTraceBack_Type\b.*choose another Python/)
  }
})

test('says so when Node.js may not load addons', (t) => {
  const cause = new Error('Cannot load native addon because loading addons is disabled.')
  const { message } = bindingError({ platform, name: addon, version: '1.2.3' }, new Error('Cannot find', { cause }))
  t.regex(message, /--no-addons/)
})
