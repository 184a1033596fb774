import { cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'
import type { ExecutionContext } from 'ava'
import { installedProject } from './installed.js'
import { runIn } from './python-project.js'

/** The packages of a folder in `hosts/`. */
export function hostPackage(folder: string): NodeJS.Require {
  return createRequire(fileURLToPath(new URL(`../hosts/${folder}/package.json`, import.meta.url)))
}

const APP = `
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello from Python"})
`

const MODULE = `
import { PythonHandler } from 'amphis'
const python = new PythonHandler({ app: 'main:app', lifespan: 'off' })
python.handle({ url: '/' })
  .then((response) => response.text())
  .then((text) => console.log(text), ({ code, message }) => console.log(code + ' ' + message))
  .finally(() => python.close())
`
const COMMON_JS = MODULE.replace(/import (.*) from ('amphis')/, 'const $1 = require($2)')

/** What a program of {@link bundledProject} says where all is well. */
export const GREETING = { code: 0, stdout: 'hello from Python\n', stderr: '' }

/** A project with amphis in `node_modules` and a program that asks a Python app, as a module of either kind. */
export async function bundledProject(t: ExecutionContext) {
  const folder = await installedProject(t, { 'main.py': APP, 'server.mjs': MODULE, 'server.cjs': COMMON_JS })
  const path = (name: string): string => join(folder, name)
  return {
    folder,
    path,
    run: (...args: string[]) => runIn(t, folder, args),
    /** Copies files of it elsewhere. */
    async copy(files: Iterable<string>, to: string): Promise<void> {
      for (const file of files) {
        await mkdir(dirname(join(to, file)), { recursive: true })
        await cp(path(file), join(to, file))
      }
    },
  }
}
