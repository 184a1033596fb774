import { execFile } from 'node:child_process'
import { createHash, pbkdf2Sync, scryptSync } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'
import test from 'ava'
import { createHandler, fixtures, shareHandler, testOptions, versionsOf } from './helpers/python.js'
import { serveSecurely } from './helpers/server.js'

// Node exports its own libuv and OpenSSL, and global symbols win: Python's extensions must not end up on them.
const native = shareHandler({ ...testOptions('native:app'), loop: 'auto' })
const children = shareHandler({ ...testOptions('children:app'), loop: 'auto' })

const ask = async (url: string, handler = native): Promise<unknown> => (await handler.handle({ url })).json()

/** What the same Python prints when it is not inside Node. */
async function alone(code: string): Promise<unknown> {
  const { executable } = await versionsOf(native)
  const source = `import json, native; print(json.dumps(native.${code}))`
  return JSON.parse((await promisify(execFile)(executable, ['-c', source], { cwd: fixtures })).stdout)
}

test('uvloop runs on its own libuv', async (t) => {
  const expected = await alone('libuv()')
  const [major = 0, minor = 0, patch = 0] = process.versions.uv.split('.').map(Number)
  if (Number.parseInt(process.versions.node) < 24) {
    // Node.js 24 happens to have uvloop's version.
    t.not(expected, (major << 16) | (minor << 8) | patch, 'on equal versions this test shows nothing')
  }
  t.is(await ask('/libuv'), expected)
})

test('ssl and hashlib run on their own OpenSSL', async (t) => {
  const expected = await alone('openssl()')
  t.deepEqual(await ask('/openssl'), expected)
})

test('digests are what Node computes', async (t) => {
  const digest = (name: string) => createHash(name).update('amphis').digest('hex')
  t.deepEqual(await ask('/digests'), {
    md5: digest('md5'),
    sha1: digest('sha1'),
    sha256: digest('sha256'),
    sha512: digest('sha512'),
    sha3_256: digest('sha3-256'),
    blake2b512: digest('blake2b512'),
    scrypt: scryptSync('password', 'salt', 32, { N: 1024, r: 8, p: 1 }).toString('hex'),
    pbkdf2: pbkdf2Sync('password', 'salt', 1000, 32, 'sha256').toString('hex'),
  })
})

test('zlib and sqlite run on their own libraries', async (t) => {
  t.deepEqual(await ask('/versions'), await alone('versions()'))
})

test('Python compresses and Node decompresses, each with its own zlib', async (t) => {
  const data = Buffer.alloc(256 * 256, Buffer.from(Array.from({ length: 256 }, (_, index) => index)))
  t.deepEqual(await ask('/compression'), {
    zlib: true,
    gzip: true,
    bz2: true,
    lzma: true,
    stream: true,
    crc32: Number(await alone('compression()["crc32"]')),
  })
  t.deepEqual(gunzipSync(gzipSync(data)), data)
})

test('sqlite computes', async (t) => {
  t.is(await ask('/database'), 499_500)
})

test('numpy computes', async (t) => {
  t.deepEqual(await ask('/numpy'), { identity: true, spectrum: [8, 0, 0, 0, 0, 0, 0, 0] })
})

test('the loader’s flags are the usual ones afterwards', async (t) => {
  // RTLD_DEEPBIND for everything would break extensions in C++.
  t.is(await ask('/flags'), await alone('flags()'))
})

test('httpx talks TLS with a server of Node in the same process', async (t) => {
  const { url, certificate } = await serveSecurely(t, (_req, res) => void res.end('secret from Node'))
  const answers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const response = await native.handle({
        url: `/tls?${url}/`,
        headers: ['x-certificate', certificate.replaceAll('\n', '|')],
      })
      return response.json()
    }),
  )
  for (const answer of answers) t.deepEqual(answer, { status: 200, text: 'secret from Node', version: 'TLSv1.3' })
})

test('a certificate that is not trusted is refused', async (t) => {
  const { url } = await serveSecurely(t, (_req, res) => void res.end('secret from Node'))
  const { certificate: other } = await serveSecurely(t, (_req, res) => void res.end())
  await t.throwsAsync(native.handle({ url: `/tls?${url}/`, headers: ['x-certificate', other.replaceAll('\n', '|')] }), {
    message: /CERTIFICATE_VERIFY_FAILED/,
  })
})

test('children of asyncio, of subprocess and of Node end with their own codes', async (t) => {
  const node = async (code: number): Promise<number> =>
    promisify(execFile)(process.execPath, ['-e', `process.exit(${code})`]).then(
      () => 0,
      (error: { code: number }) => error.code,
    )
  const [spawned, run, started] = await Promise.all([
    Promise.all([0, 1, 2].map((code) => ask(`/spawn/${code}`, children))),
    Promise.all([3, 4].map((code) => ask(`/run/${code}`, children))),
    Promise.all([5, 0, 6].map(node)),
  ])
  t.deepEqual(
    spawned,
    [0, 1, 2].map((code) => [code, 100_000]),
  )
  t.deepEqual(
    run,
    [3, 4].map((code) => [code, 10]),
  )
  t.deepEqual(started, [5, 0, 6])
  // And after Python has had children of its own, Node still hears of its own.
  t.is(await node(7), 7)
  t.deepEqual(await ask('/spawn/8', children), [8, 100_000])
})

test('a pool of worker processes finds Python and the app’s modules', async (t) => {
  t.is(await ask('/pool/0', createHandler(t, { app: 'children:app', loop: 'auto' })), 1024)
})
