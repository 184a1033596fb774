import { symlink } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { program } from '../helpers/command-line.js'
import { installedProject } from '../helpers/installed.js'
import { runIn } from '../helpers/python-project.js'

// `amphis openapi --types`, and a client that has the types of the app, over `python.fetch`.

const packages = fileURLToPath(new URL('openapi/node_modules', import.meta.url))
const tsc = fileURLToPath(new URL('openapi/node_modules/typescript/bin/tsc', import.meta.url))
const types = fileURLToPath(new URL('../../node_modules/@types', import.meta.url))

const APP = `
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    number: int
    name: str


@app.get("/items/{number}")
def item(number: int, times: int = 1) -> Item:
    return Item(number=number, name="tea" * times)


@app.post("/items")
def add(item: Item) -> Item:
    return item
`

const CLIENT = `
import { PythonHandler } from 'amphis'
import createClient from 'openapi-fetch'
import type { paths } from './api.js'

const python = new PythonHandler('main:app')
const client = createClient<paths>({ baseUrl: 'http://localhost', fetch: (request) => python.fetch(request) })

const { data } = await client.GET('/items/{number}', { params: { path: { number: 7 }, query: { times: 2 } } })
const name: string | undefined = data?.name
const added = await client.POST('/items', { body: { number: 1, name: 'coffee' } })
// @ts-expect-error -- there is no such path
const { response } = await client.GET('/nothing')
// @ts-expect-error -- what is wrong here FastAPI says as well
const { error } = await client.GET('/items/{number}', { params: { path: { number: 'x' } } })
console.log(name, added.data?.number, response.status, error?.detail?.[0]?.loc)
await python.close()
`

const CONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [types],
  },
  files: ['client.ts'],
}

test('an app is called by a client with its types', async (t) => {
  const folder = await installedProject(t, {
    'main.py': APP,
    'client.ts': CLIENT,
    'tsconfig.json': JSON.stringify(CONFIG),
  })
  for (const name of ['openapi-typescript', 'openapi-fetch', 'typescript', 'openapi-typescript-helpers']) {
    await symlink(`${packages}/${name}`, `${folder}/node_modules/${name}`)
  }
  const written = await runIn(t, folder, [program, 'openapi', 'main:app', '-o', 'openapi.json', '--types', 'api.d.ts'])
  t.like(written, { code: 0, stdout: 'openapi.json is written\napi.d.ts is written\n' })
  t.like(await runIn(t, folder, [tsc, '-p', '.']), { code: 0, stdout: '' })
  t.like(await runIn(t, folder, ['client.js']), {
    code: 0,
    stdout: "teatea 1 404 [ 'path', 'number' ]\n",
  })
})
