// The page of public/, with what a browser is to hold it to.
import { readFileSync } from 'node:fs'

const read = (name, type) => ({ type, body: readFileSync(new URL(`public/${name}`, import.meta.url)) })

const files = new Map([
  ['/', read('index.html', 'text/html; charset=utf-8')],
  ['/app.js', read('app.js', 'text/javascript; charset=utf-8')],
  ['/markdown.js', read('markdown.js', 'text/javascript; charset=utf-8')],
  ['/api.js', read('api.js', 'text/javascript; charset=utf-8')],
  ['/style.css', read('style.css', 'text/css; charset=utf-8')],
])

const HEADERS = {
  'cache-control': 'no-cache',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/**
 * @param {import('node:http').IncomingMessage} req
 * @param {import('node:http').ServerResponse} res
 * @returns {boolean} false: it is none of the page's
 */
export function servePage(req, res) {
  const file = files.get((req.url ?? '').split('?')[0])
  if (!file || (req.method !== 'GET' && req.method !== 'HEAD')) return false
  res.writeHead(200, { ...HEADERS, 'content-type': file.type, 'content-length': file.body.length })
  res.end(req.method === 'HEAD' ? undefined : file.body)
  return true
}
