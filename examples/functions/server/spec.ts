/** Checks what a deployment asks for. */
import { nearest } from './nearest.js'
import { ProblemError } from './problem.js'
import type { FunctionSpec } from './types.js'

const invalid = (message: string) => new ProblemError(400, 'invalid', message)

interface Range {
  of: number
  from: number
  to: number
}

/** Numbers that a deployment may give: their default, the least and the most. */
const numbers: Record<'memory' | 'timeout' | 'cpus' | 'slots' | 'minReplicas' | 'maxReplicas', Range> = {
  memory: { of: 256, from: 128, to: 16_384 },
  timeout: { of: 30_000, from: 100, to: 900_000 },
  cpus: { of: 1, from: 0.05, to: 64 },
  slots: { of: 1, from: 1, to: 64 },
  minReplicas: { of: 0, from: 0, to: 100 },
  maxReplicas: { of: 1, from: 1, to: 100 },
}
const known = new Set(['name', 'runtime', 'handler', 'environment', 'network', ...Object.keys(numbers)])

/** Names that the runtime's own variables have. */
const reserved = /^(?:EVENTS_|FUNCTION_|AMPHIS_|LD_|NODE_OPTIONS$|PATH$|PYTHONHOME$)/

export function checkedSpec(input: unknown): FunctionSpec {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw invalid('the function is not an object')
  const given = input as Record<string, unknown>
  for (const name of Object.keys(given)) {
    if (!known.has(name))
      throw invalid(`there is no option ${JSON.stringify(name)}; did you mean "${nearest(name, [...known])}"?`)
  }
  const { name, runtime, handler, environment = {}, network = false } = given
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/.test(name)) {
    throw invalid('"name" is to have 2 to 40 characters: small letters, digits and dashes, a letter first')
  }
  if (runtime !== 'node' && runtime !== 'python') throw invalid('"runtime" is to be "node" or "python"')
  if (typeof handler !== 'string' || !/^[\w/-]+(?:\.[\w]+)+$/.test(handler) || handler.split('/').includes('..')) {
    throw invalid('"handler" is to be a file and a function of it: "index.handler", "module.function"')
  }
  if (typeof network !== 'boolean') throw invalid('"network" is to be true or false')
  if (typeof environment !== 'object' || environment === null)
    throw invalid('"environment" is to be an object of texts')
  for (const [key, value] of Object.entries(environment)) {
    if (!/^[A-Za-z_]\w*$/.test(key) || typeof value !== 'string' || value.includes('\0')) {
      throw invalid(`"environment" has ${JSON.stringify(key)}, which is no variable with a text`)
    }
    if (reserved.test(key)) throw invalid(`"environment" has ${key}, a variable that the runtime sets`)
  }
  const amounts = Object.fromEntries(
    Object.entries(numbers).map(([key, { of, from, to }]) => {
      const value = given[key] ?? of
      const isRight =
        typeof value === 'number' && value >= from && value <= to && (key === 'cpus' || Number.isInteger(value))
      if (!isRight) throw invalid(`"${key}" is to be a number from ${from} to ${to}`)
      return [key, value]
    }),
  ) as Record<keyof typeof numbers, number>
  if (amounts.minReplicas > amounts.maxReplicas) throw invalid('"minReplicas" is more than "maxReplicas"')
  return { name, runtime, handler, environment: environment as Record<string, string>, network, ...amounts }
}
