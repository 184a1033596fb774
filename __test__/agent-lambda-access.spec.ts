import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Python, PythonHandler } from '../index.js'
import { fixtures, loop, python as interpreter } from './helpers/python.js'

// Who may ask examples/agent-lambda, and whose its sessions are.

type Owner = (
  access: string,
  keys: string[],
  headers: Record<string, string>,
  userId?: string | null,
) => Promise<string | number>

const appDir = fileURLToPath(new URL('../examples/agent-lambda/lambda/function', import.meta.url))
// Read when the app is imported.
process.env['ALLOWED_ORIGINS'] = 'https://one.example https://two.example'
const http = new PythonHandler({ app: 'app.api:app', appDir, python: interpreter, loop, lifespan: 'off' })
const app = new Python({ appDir, python: interpreter, loop })
const python = new Python({ appDir: fixtures, python: interpreter, loop })
test.after.always(async () => {
  await python.close()
  await app.close()
  await http.close()
})

const open = async (): Promise<Owner> => {
  await app.import('app.access')
  const { owner } = await python.import<{ owner: Owner }>('lambda_access')
  return owner
}

const keys = ['key-of-one', 'key-of-two']

test('each key is an owner, whose name tells nothing of it', async (t) => {
  const owner = await open()
  const one = await owner('api-key', keys, { 'x-api-key': 'key-of-one' })
  t.regex(String(one), /^key-[0-9a-f]{32}$/)
  t.is(await owner('api-key', keys, { authorization: 'Bearer key-of-one' }), one)
  t.not(await owner('api-key', keys, { 'x-api-key': 'key-of-two' }), one)
  // Other keys beside it do not change whose a session is.
  t.is(await owner('api-key', ['key-of-one'], { 'x-api-key': 'key-of-one' }), one)
})

test('without a key that is known nobody gets in, and where there is no key nobody at all', async (t) => {
  const owner = await open()
  const wrong: Record<string, string>[] = [
    {},
    { 'x-api-key': '' },
    { 'x-api-key': 'key-of' },
    { authorization: 'Bearer ' },
  ]
  for (const headers of wrong) {
    t.is(await owner('api-key', keys, headers), 401, JSON.stringify(headers))
    t.is(await owner('api-key', [], headers), 401, JSON.stringify(headers))
  }
  // What AWS has found out is for functions that ask for it.
  t.is(await owner('api-key', keys, {}, 'AIDAUSER'), 401)
})

test('by IAM a user or role is an owner, however a session of the role is called', async (t) => {
  const owner = await open()
  const role = await owner('iam', [], {}, 'AROAROLE:session-1')
  t.regex(String(role), /^iam-[0-9a-f]{32}$/)
  t.is(await owner('iam', [], {}, 'AROAROLE:session-2'), role)
  t.not(await owner('iam', [], {}, 'AROAOTHER:session-1'), role)
  t.is(await owner('iam', keys, { 'x-api-key': 'key-of-one' }, null), 401)
})

test('browsers are told of pages that are allowed, and of no others', async (t) => {
  const ask = async (origin: string) => {
    const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key' }
    const response = await http.handle({ method: 'OPTIONS', url: '/claude-code', headers })
    return [response.status, response.headers.get('access-control-allow-origin')] as const
  }
  t.deepEqual(await ask('https://two.example'), [200, 'https://two.example'])
  t.deepEqual(await ask('https://three.example'), [400, null])
  t.deepEqual(await ask('null'), [400, null])
})
