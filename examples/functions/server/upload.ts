/** What `POST /yafaas/functions` is given: JSON, or a multipart form. */
import type { IncomingMessage } from 'node:http'
import { CodeCollector } from './code.js'
import { parseJson, readBody } from './http.js'
import { ProblemError } from './problem.js'
import { checkedSpec } from './spec.js'
import type { CodeFiles, FunctionSpec } from './types.js'

/** Bytes of a body: the code may have fifty million, and base64 a third more. */
const LIMIT = 70_000_000

export interface Upload {
  spec: FunctionSpec
  code: CodeFiles
  replace: boolean
}

const invalid = (message: string) => new ProblemError(400, 'invalid', message)

export async function readUpload(req: IncomingMessage): Promise<Upload> {
  const type = req.headers['content-type'] ?? ''
  const body = await readBody(req, LIMIT)
  if (/^multipart\/form-data\b/i.test(type)) return fromForm(body, type)
  if (/^application\/json\b/i.test(type)) return fromJson(parseJson(body.toString()))
  throw new ProblemError(415, 'type', 'the body is to be application/json or multipart/form-data')
}

function bytesOf(path: string, content: unknown): Uint8Array {
  if (typeof content === 'string') return Buffer.from(content)
  const { base64 } = (content ?? {}) as { base64?: unknown }
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  throw invalid(`"files" has ${JSON.stringify(path)}, which is neither a text nor { "base64": … }`)
}

function fromJson(input: unknown): Upload {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw invalid('the body is not an object')
  const { files = {}, zip, replace = false, ...spec } = input as Record<string, unknown>
  const checked = checkedSpec(spec)
  if (typeof files !== 'object' || files === null) throw invalid('"files" is to be an object: path to content')
  if (zip !== undefined && typeof zip !== 'string') throw invalid('"zip" is to be base64')
  const code = new CodeCollector()
  if (zip !== undefined) code.addZip(Buffer.from(zip, 'base64'))
  for (const [path, content] of Object.entries(files)) code.add(path, bytesOf(path, content))
  return { spec: checked, code: code.finish(), replace: replace === true }
}

async function fromForm(body: Buffer, type: string): Promise<Upload> {
  let form: FormData
  try {
    form = await new Response(body, { headers: { 'content-type': type } }).formData()
  } catch (error) {
    throw invalid(`the form cannot be read: ${(error as Error).message}`)
  }
  const code = new CodeCollector()
  let spec: unknown
  let replace = false
  for (const [name, value] of form) {
    if (typeof value === 'string') {
      if (name === 'function') spec = parseJson(value)
      else if (name === 'replace') replace = value === 'true'
      else
        throw invalid(
          `the form has a field ${JSON.stringify(name)}: there are "function", "replace", "zip" and "files"`,
        )
      continue
    }
    const bytes = new Uint8Array(await value.arrayBuffer())
    if (name === 'zip') code.addZip(bytes)
    else if (name === 'files') code.add(value.name, bytes)
    else throw invalid(`the form has a file ${JSON.stringify(name)}: there are "zip" and "files"`)
  }
  if (spec === undefined) throw invalid('the form has no field "function"')
  return { spec: checkedSpec(spec), code: code.finish(), replace }
}
