import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, launch, type LaunchOptions } from 'puppeteer-core'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const MAC_CHROME = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

/** Starts a headless browser: `CHROME_PATH`, else the Chromium that npm brought, else (macOS) the installed Chrome. */
export async function launchChrome(): Promise<Browser> {
  const chrome = await findChrome()
  return launch({
    headless: 'shell',
    ...chrome,
    args: [
      // The pages are ours, and a sandbox does not start as root or in most containers.
      '--no-sandbox',
      // Nothing but this machine is reached, whatever the browser would like to ask its maker.
      '--no-proxy-server',
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
      '--disable-domain-reliability',
      '--no-pings',
      // What headless software rendering does anyway, without trying a GPU first.
      '--disable-gpu',
      '--font-render-hinting=none',
      '--hide-scrollbars',
    ],
  })
}

async function findChrome(): Promise<LaunchOptions> {
  const { CHROME_PATH } = process.env
  if (CHROME_PATH) return { executablePath: CHROME_PATH, headless: true }
  if (process.platform === 'linux' && process.arch === 'x64') return npmChromium()
  if (process.platform === 'darwin' && existsSync(MAC_CHROME)) return { executablePath: MAC_CHROME, headless: true }
  throw new Error(
    'The demo is tested in Chrome, which was not found. Install it, or set CHROME_PATH to its executable.',
  )
}

/** Unpacks @sparticuz/chromium once, into the cache folder of the repository. */
async function npmChromium(): Promise<LaunchOptions> {
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  const { version } = createRequire(entry)('../../package.json') as { version: string }
  const folder = join(root, '.cache', `chromium-${version}`)

  if (!existsSync(folder)) {
    // It unpacks into the temporary folder and takes a half-written file there for a whole one: give it a
    // folder of its own, and rename that when it is complete.
    const unpacking = `${folder}.${randomUUID()}`
    await mkdir(unpacking, { recursive: true })
    const source = `import chromium from ${JSON.stringify(pathToFileURL(entry).href)}\nawait (chromium.default ?? chromium).executablePath()`
    await run(process.execPath, ['--input-type=module', '-e', source], {
      // The second variable makes it unpack the libraries too that a bare machine lacks.
      env: { PATH: process.env.PATH, TMPDIR: unpacking, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' },
    })
    await rename(unpacking, folder).catch(async (error: unknown) => {
      await rm(unpacking, { recursive: true, force: true })
      if (!existsSync(folder)) throw error
    })
    await removeOthers(folder)
  }

  const executablePath = join(folder, 'chromium')
  const env: NodeJS.ProcessEnv = { ...process.env }
  if (await lacksLibraries(executablePath)) env.LD_LIBRARY_PATH = join(folder, 'al2023', 'lib')
  if (!existsSync('/etc/fonts/fonts.conf')) env.FONTCONFIG_PATH = join(folder, 'fonts')
  return { executablePath, env }
}

/** Whether the machine has no NSS, NSPR or expat; where it has them they fit its libc better than those unpacked. */
async function lacksLibraries(executable: string): Promise<boolean> {
  const { stdout } = await run('ldd', [executable])
  return stdout.includes('not found')
}

/** Two hundred megabytes a version: only the one in use is kept. */
async function removeOthers(folder: string): Promise<void> {
  const cache = dirname(folder)
  for (const name of await readdir(cache)) {
    const path = join(cache, name)
    if (name.startsWith('chromium-') && path !== folder) await rm(path, { recursive: true, force: true })
  }
}
