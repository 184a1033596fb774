import { spawn } from 'node:child_process'
import { cp, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import { launchChrome } from '../helpers/headless-chrome.js'
import { installInto } from '../helpers/installed.js'
import { NodeProcess } from '../helpers/node-process.js'
import { python } from '../helpers/python.js'
import { scratchFolder } from '../helpers/scratch.js'

// The examples, as their `npm start` serves them, in a browser; with what the tests have in the place of what it installs.

let browser: Browser
test.before(async () => {
  browser = await launchChrome()
})
test.after.always(() => browser?.close())

const example = (name: string): string => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

async function open(t: ExecutionContext, url: string): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(60_000)
  t.teardown(() => page.close())
  await page.goto(url)
  return page
}

const sees = (page: Page, selector: string, text: string) => page.waitForSelector(`${selector} ::-p-text(${text})`)

test.serial('vite: the page counts words in Python, and its WebSocket is heard there', async (t) => {
  const folder = await scratchFolder(t)
  await cp(example('vite'), folder, { recursive: true, filter: (path) => !/node_modules|\.venv/.test(path) })
  await installInto(folder)
  const host = fileURLToPath(new URL('vite/package.json', import.meta.url))
  const vite = join(createRequire(host).resolve('vite/package.json'), '..')
  await symlink(vite, join(folder, 'node_modules/vite'))
  const { NODE_OPTIONS: _, ...own } = process.env
  const args = [join(vite, 'bin/vite.js'), '--host', '127.0.0.1', '--port', '0']
  const env = { ...own, AMPHIS_PYTHON: python, NO_COLOR: '1' }
  const child = spawn(process.execPath, args, { cwd: folder, env })
  t.teardown(() => child.kill('SIGKILL'))
  const page = await open(t, await new NodeProcess(child, 'now').printsLine(/http:\/\/127\.0\.0\.1:\d+\//))
  t.truthy(await sees(page, '#words', 'for 2, tea 2, two 2, and 1'))
  t.truthy(await sees(page, '#echo', 'Python heard: hello'))
})
