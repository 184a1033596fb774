import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { amphisEnds, program } from './helpers/command-line.js'
import { python } from './helpers/python.js'
import { runIn } from './helpers/python-project.js'
import { scratchFolder } from './helpers/scratch.js'

// With openapi-typescript, and the client that is made of its types: `hosts/openapi.host.ts`.

interface Document {
  openapi: string
  info: { title: string }
  paths: Record<string, unknown>
}

const APP = `
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

print("printed while it is imported")


@asynccontextmanager
async def lifespan(_):
    raise RuntimeError("the lifespan has run")
    yield


app = FastAPI(title="Tee ☕", lifespan=lifespan, openapi_url=None)


@app.get("/items/{number}")
def item(number: int) -> dict[str, str]:
    return {}


class Behind:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


wrapped = Behind(Behind(app))


def create_app():
    return app


async def bare(scope, receive, send): ...
`

async function project(t: ExecutionContext, files: Record<string, string> = {}) {
  const folder = await scratchFolder(t, { 'main.py': APP, ...files })
  return {
    path: (name: string) => join(folder, name),
    openapi: (...args: string[]) => amphisEnds(t, 'openapi', ...args, '--app-dir', folder, '--python', python),
    here: (...args: string[]) => runIn(t, folder, [program, 'openapi', ...args]),
  }
}

test('the document goes to standard output, without a server and without what the app prints', async (t) => {
  const { openapi } = await project(t)
  for (const args of [['main:app'], ['main:wrapped'], ['main:create_app', '--factory']]) {
    const { code, stdout } = await openapi(...args)
    t.is(code, 0)
    const { info, paths } = JSON.parse(stdout) as Document
    t.deepEqual([info.title, Object.keys(paths)], ['Tee ☕', ['/items/{number}']])
  }
})

test('-o writes it into a file, and says so; nothing where nothing has changed', async (t) => {
  const { openapi, path } = await project(t)
  const file = path('api/openapi.json')
  t.like(await openapi('main:app', '-o', file), { code: 0, stdout: `${file} is written\n` })
  t.is((JSON.parse(await readFile(file, 'utf8')) as Document).info.title, 'Tee ☕')
  const { mtimeMs } = await stat(file)
  t.is((await openapi('main:app', '-o', file)).stdout, `${file}: nothing to do\n`)
  t.is((await stat(file)).mtimeMs, mtimeMs)
})

test('an app that has none, or raises, is an error that says what to do', async (t) => {
  const { openapi } = await project(t, { 'broken.py': 'import nothing_of_this_name\n' })
  const bare = await openapi('main:bare')
  t.is(bare.code, 1)
  t.regex(bare.stderr, /main:bare has no OpenAPI document: it is function, .*give --factory/)
  const broken = await openapi('broken:app')
  t.is(broken.code, 1)
  t.regex(broken.stderr, /broken:app has raised ModuleNotFoundError: No module named 'nothing_of_this_name'/)
  t.regex(broken.stderr, /broken\.py", line 1/)
  const missing = await openapi('main:nothing')
  t.is(missing.code, 1)
  t.regex(missing.stderr, /has no attribute 'nothing'/)
})

test('what is mistyped is said with what to write', async (t) => {
  const { openapi } = await project(t)
  t.like(await openapi(), { code: 2, stdout: '' })
  t.regex((await openapi('main.py')).stderr, /takes one app as module:attribute: amphis openapi main:app, not main\.py/)
  t.regex((await openapi('main:app', '--outputs', 'x')).stderr, /Did you mean --output\?/)
  t.regex((await openapi('--help')).stdout, /Usage: amphis openapi APP/)
})

test('--types without the package that makes them names it, and writes nothing', async (t) => {
  const { here, path } = await project(t)
  const { code, stderr } = await here('main:app', '-o', 'openapi.json', '--types', 'api.d.ts')
  t.is(code, 1)
  t.regex(stderr, /npm install --save-dev openapi-typescript/)
  await t.throwsAsync(stat(path('openapi.json')), { code: 'ENOENT' })
})
