import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import type { Browser } from 'puppeteer-core'
import { buildExample } from './helpers/functions.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { python } from './helpers/python.js'

const { dist, remove } = await buildExample()
const program = join(dist, 'cli.js')
let folder: string
let server: ChildProcess
let url: string
let browser: Browser

/** The command line to its end; the service is the test's own. */
async function command(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const env = { ...process.env, HOME: folder, AMPHIS_FUNCTIONS_URL: url }
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err]: string[][] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out!.push(chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => err!.push(chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out: out!.join(''), err: err!.join('') }
}

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amphis-functions-'))
  // Whose key is in the home folder, as it is for a user.
  const args = ['serve', '--port', '0', '--unsafe-processes', '--python', python]
  server = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, HOME: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: server.stdout! })) {
    const found = /at (http:\S+)/.exec(line)?.[1]
    if (!found) continue
    url = found
    break
  }
  server.stdout!.resume()
  for (const [path, text] of Object.entries({
    'hello/main.py':
      'def handler(event, context):\n    print("greeting", event["name"])\n    return {"hello": event["name"]}\n',
    'hello/__pycache__/old.pyc': 'left out',
    'greet/index.mjs': 'export const handler = (event) => { if (!event) throw new TypeError("whom?"); return event }\n',
  })) {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), text)
  }
})
test.after.always(async () => {
  await browser?.close()
  const ended = once(server, 'exit')
  server.kill('SIGTERM')
  await ended
  await remove()
  await rm(folder, { recursive: true, force: true })
})

test.serial('a folder is deployed, invoked, listed, its logs are shown, and it is removed', async (t) => {
  const deployed = await command('deploy', join(folder, 'hello'))
  t.is(deployed.out, 'hello (python) is ready, version 1\n', deployed.err)
  t.regex(deployed.err, /starting/)
  t.deepEqual(JSON.parse((await command('invoke', 'hello', '{"name":"Ada"}')).out), { hello: 'Ada' })
  t.regex((await command('logs', 'hello')).out, /stdout greeting Ada/)
  t.regex(
    (await command('ls')).out,
    /^NAME +RUNTIME +STATE +VERSION +RUNNING +EVENTS\nhello +python +ready +1 +1 +0\n$/,
  )
  t.is((await command('deploy', join(folder, 'hello'), '--env', 'A=b')).out, 'hello (python) is ready, version 2\n')
  t.is((await command('rm', 'hello')).out, 'hello is removed\n')
  t.is((await command('invoke', 'hello')).err, 'there is no function "hello"\n')
})

test.serial('logs are followed while they come', async (t) => {
  await command('deploy', join(folder, 'hello'), '--name', 'followed')
  const env = { ...process.env, HOME: folder, AMPHIS_FUNCTIONS_URL: url }
  const follower = spawn(process.execPath, [program, 'logs', 'followed', '-f'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: follower.stdout })[Symbol.asyncIterator]()
  t.regex(String((await lines.next()).value), /ready with 1 slot/)
  await command('invoke', 'followed', '{"name":"Bob"}')
  for (;;) {
    const { value, done } = await lines.next()
    t.falsy(done)
    if (String(value).includes('greeting Bob')) break
  }
  follower.kill()
  await command('rm', 'followed')
})

test.serial('what goes wrong is said in one line, with the nearest name', async (t) => {
  t.regex((await command('deplyo')).err, /^there is no command deplyo; did you mean deploy\?/)
  t.regex((await command('deploy', '.', '--memroy', '3')).err, /^there is no option --memroy; did you mean --memory\?/)
  t.is((await command('deploy', join(folder, 'nowhere'))).err, `${join(folder, 'nowhere')} is no folder\n`)
  t.is((await command('invoke', 'greet', '{')).err, '{ is no JSON\n')
  t.regex(
    (await command('serve', '--host', '0.0.0.0', '--unsafe-processes', '--state', join(folder, 'other'))).err,
    /0\.0\.0\.0 is not loopback: give keys/,
  )
  await symlink('/etc/passwd', join(folder, 'greet', 'link'))
  t.regex((await command('deploy', join(folder, 'greet'))).err, /links are not deployed/)
  await rm(join(folder, 'greet', 'link'))
  t.is((await stat(join(folder, '.amphis-functions', 'key'))).mode & 0o777, 0o600)
})

test.serial('an error of the function is shown with its stack', async (t) => {
  await command('deploy', join(folder, 'greet'))
  const { code, err } = await command('invoke', 'greet', 'null')
  t.is(code, 1)
  t.regex(err, /^TypeError: whom\?\n.*at handler/s)
})

test.serial('the page shows functions, invokes them, and draws their latencies', async (t) => {
  browser = await launchChrome()
  const page = await browser.newPage()
  page.setDefaultTimeout(15_000)
  const errors: unknown[] = []
  page.on('pageerror', (error) => errors.push(error))
  await page.goto(url)
  await page.waitForSelector('html[data-ready]')
  await page.locator('[name=key]').fill('wrong key, as it is')
  await page.locator('#key button').click()
  await page.waitForSelector('#problem ::-p-text(none of this service)')
  const { readFile } = await import('node:fs/promises')
  await page.locator('[name=key]').fill((await readFile(join(folder, '.amphis-functions', 'key'), 'utf8')).trim())
  await page.locator('#key button').click()
  await page.locator('#functions tr[data-name=greet]').click()
  await page.waitForSelector('#detail h2 ::-p-text(greet, version 1, node)')
  await page.locator('[name=payload]').fill('{ "text": "<b>bold</b>" }')
  await page.locator('#invoke button').click()
  await page.waitForSelector('#answer ::-p-text(<b>bold</b>)')
  await page.waitForSelector('#chart rect[data-ok=true]')
  await page.locator('[name=payload]').fill('null')
  await page.locator('#invoke button').click()
  await page.waitForSelector('#answer ::-p-text(whom?)')
  await page.waitForSelector('#chart rect[data-ok=false]')
  t.true((await page.$$('#invocations li')).length >= 2)
  t.regex(await page.$eval('#scale', (element) => element.textContent ?? ''), /^\d+ invocations, p50 [\d.]+ ms/)
  t.deepEqual(errors, [])
})
