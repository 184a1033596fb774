// Functions and constructors as `PythonFunction<…>` and `PythonClass<…>`.
import type { CallSignature, Parameter, Tree } from './description.js'
import { keyName, parameterName } from './names.js'
import { type Direction, type TypeWriter, variablesIn } from './types.js'

/** The width of a line. */
const WIDTH = 100

interface Place {
  /** Type variables of the class around it. */
  known?: ReadonlySet<string>
  indent?: string
  /** What a constructor gives. */
  instance?: Tree
}

/** The type of what can be called. */
export function functionType(
  generic: 'PythonFunction' | 'PythonClass',
  signatures: readonly CallSignature[],
  types: TypeWriter,
  { known = new Set(), indent = '', instance }: Place = {},
): string {
  if (signatures.length === 0) return `${generic} /* Python tells no signature of it */`
  const results = signatures.map(({ result }) => result ?? instance ?? ({ kind: 'unknown' } as const))
  const separator = signatures.length === 1 ? ' => ' : ': '
  const calls = signatures.map(({ parameters, validated }, at) => ({
    ...call(parameters, results[at] as Tree, types, known, validated ? 'validated' : 'in'),
    separator,
  }))
  const keywords = keywordTypes(signatures, types)
  const texts = calls.map((each) => callText(each))
  const line = `${generic}<${[texts.length === 1 ? texts[0] : `{ ${texts.join('; ')} }`, ...keywords.map((each) => objectText(each))].join(', ')}>`
  if (line.length <= WIDTH - indent.length) return line
  const inner = `${indent}  `
  const first =
    calls.length === 1
      ? callText(calls[0]!, inner)
      : `{\n${calls.map((each) => `${inner}  ${callText(each, `${inner}  `)}\n`).join('')}${inner}}`
  const parts = [first, ...keywords.map((each) => objectText(each, inner))]
  return `${generic}<\n${parts.map((part) => inner + part).join(',\n')}\n${indent}>`
}

interface Call {
  /** Type parameters in their brackets, or nothing. */
  head: string
  parameters: readonly string[]
  separator?: string
  result: string
}

/** In one line, or, where it is long and an indent is given, a parameter a line. */
function callText({ head, parameters, separator = '', result }: Call, indent?: string): string {
  const line = `${head}(${parameters.join(', ')})${separator}${result}`
  if (indent === undefined || parameters.length === 0 || line.length <= WIDTH - indent.length) return line
  return `${head}(\n${parameters.map((each) => `${indent}  ${each},\n`).join('')}${indent})${separator}${result}`
}

function call(
  parameters: readonly Parameter[],
  result: Tree,
  types: TypeWriter,
  known: ReadonlySet<string>,
  direction: Direction,
): Call {
  const ordered = parameters.filter(({ kind }) => kind === 'positional' || kind === 'either' || kind === 'rest')
  const written = ordered.map(({ name, kind, type, default: value }) => {
    const text = types.write(type, direction)
    if (kind === 'rest') return `...${parameterName(name)}: ${arrayOf(text)}`
    return `${parameterName(name)}${value === undefined ? '' : '?'}: ${text}`
  })
  const variables = variablesIn([...parameters.map(({ type }) => type), result]).filter(({ name }) => !known.has(name))
  const generics = variables.map(
    ({ name, bound }) => `${name}${bound === undefined ? '' : ` extends ${types.write(bound, 'in')}`}`,
  )
  const head = generics.length === 0 ? '' : `<${generics.join(', ')}>`
  return { head, parameters: written, result: types.result(result) }
}

function arrayOf(text: string): string {
  return /^\w+$/.test(text) ? `${text}[]` : `(${text})[]`
}

/** The types of what can be given by name, without the empty ones at the end. */
function keywordTypes(signatures: readonly CallSignature[], types: TypeWriter): (readonly string[])[] {
  const [only, either] = (['keyword', 'either'] as const).map((kind) => merge(signatures, kind, types))
  const rest = signatures.flatMap(({ parameters }) => parameters.filter(({ kind }) => kind === 'keywords'))
  const entries = [...only!]
  if (rest.length > 0) {
    // All properties have to agree with it.
    const own = rest.map(({ type }) => types.write(type, 'in'))
    const all = new Set(own)
    for (const { type, optional } of [...only!, ...either!]) {
      all.add(type)
      if (optional) all.add('undefined')
    }
    const isAnything = own.some((type) => type.startsWith('unknown'))
    entries.push({ name: undefined, type: isAnything ? 'unknown' : [...all].join(' | '), optional: false })
  }
  // What was remarked in the call need not be said again.
  const parts = [object(entries), object(either!).map((each) => each.replaceAll(/ \/\*.*?\*\//g, ''))]
  while (parts.at(-1)?.length === 0) parts.pop()
  return parts
}

interface Entry {
  /** Undefined for all others: `**kwargs`. */
  name: string | undefined
  type: string
  optional: boolean
}

/** Of overloads: a name is required where it is in all of them. */
function merge(signatures: readonly CallSignature[], wanted: Parameter['kind'], types: TypeWriter): Entry[] {
  const found = new Map<string, { types: Set<string>; required: number }>()
  for (const { parameters, validated } of signatures) {
    for (const { name, kind, type, default: value } of parameters) {
      if (kind !== wanted) continue
      const entry = found.get(name) ?? { types: new Set(), required: 0 }
      found.set(name, entry)
      // A type variable means nothing outside of the call.
      entry.types.add(variablesIn([type]).length > 0 ? 'unknown' : types.write(type, validated ? 'validated' : 'in'))
      if (value === undefined) entry.required++
    }
  }
  return Array.from(found, ([name, { types: all, required }]) => ({
    name,
    type: [...all].map((type) => (all.size > 1 && type.includes('=>') ? `(${type})` : type)).join(' | '),
    optional: required < signatures.length,
  }))
}

function object(entries: readonly Entry[]): string[] {
  return entries.map(({ name, type, optional }) =>
    name === undefined ? `[name: string]: ${type}` : `${keyName(name)}${optional ? '?' : ''}: ${type}`,
  )
}

/** In one line, or, where it is long and an indent is given, a property a line. */
function objectText(properties: readonly string[], indent?: string): string {
  const line = properties.length === 0 ? '{}' : `{ ${properties.join('; ')} }`
  if (indent === undefined || line.length <= WIDTH - indent.length) return line
  return `{\n${properties.map((each) => `${indent}  ${each}\n`).join('')}${indent}}`
}
