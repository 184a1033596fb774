/** From `index.handler` or `module.function` to a function that takes JSON and gives JSON, in either language. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as Amphis from '../amphis.js'
import type { Invocation, InvocationError } from './messages.js'

export type Handler = (invocation: Invocation) => Promise<string>

type NodeHandler = (event: unknown, context: unknown) => unknown

export function invocationError(error: unknown): InvocationError {
  if (!(error instanceof Error)) return { errorType: 'Error', errorMessage: String(error), stackTrace: [] }
  const { traceback, type } = error as Partial<Amphis.PythonError>
  const stack = typeof traceback === 'string' ? traceback : (error.stack ?? '')
  return { errorType: type ?? error.name, errorMessage: error.message, stackTrace: stack.trimEnd().split('\n') }
}

const failure = (type: string, message: string) => Object.assign(new Error(message), { name: type })

export async function nodeHandler(folder: string, handler: string): Promise<Handler> {
  const dot = handler.lastIndexOf('.')
  const [module, name] = [handler.slice(0, dot), handler.slice(dot + 1)]
  const file = ['.mjs', '.js', '.cjs'].map((ending) => join(folder, module + ending)).find((path) => existsSync(path))
  if (!file)
    throw failure('Runtime.HandlerNotFound', `${handler}: there is no ${module}.mjs, ${module}.js or ${module}.cjs`)
  const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown> & {
    default?: Record<string, unknown>
  }
  const found = exported[name] ?? exported.default?.[name]
  if (typeof found !== 'function')
    throw failure('Runtime.HandlerNotFound', `${handler}: ${module} exports no function ${name}`)
  return async ({ payload, deadline, requestId, functionName, memory }) => {
    const context = {
      requestId,
      awsRequestId: requestId,
      functionName,
      memoryLimitInMB: String(memory),
      deadline,
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    }
    const result = await (found as NodeHandler)(JSON.parse(payload), context)
    // What is undefined, or a function, has no JSON.
    return JSON.stringify(result) ?? 'null'
  }
}

interface Shim {
  load: (module: string, name: string) => Promise<boolean>
  call: (payload: string, context: object) => Promise<string>
  call_async: (payload: string, context: object) => Promise<string>
}

/** In process: Python is a part of the child that runs on amphis. */
export async function pythonHandler(folder: string, handler: string, shims: string): Promise<Handler> {
  const { Python } = (await import(process.env.AMPHIS_PACKAGE ?? 'amphis')) as typeof Amphis
  // After the function's own folder: what `pip install --target` has put there, and the module that calls it.
  process.env.PYTHONPATH = [join(folder, '.python'), shims].join(':')
  const python = new Python({ appDir: folder, python: process.env.FUNCTION_PYTHON })
  const shim = await python.import<Shim>('amphis_function')
  const dot = handler.lastIndexOf('.')
  const isAsync = await shim.load(handler.slice(0, dot).replaceAll('/', '.'), handler.slice(dot + 1))
  const call = isAsync ? shim.call_async : shim.call
  return async ({ payload, ...context }) => call(payload, context)
}
