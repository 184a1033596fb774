// Functions and constructors as `PythonFunction<…>` and `PythonClass<…>`.
import type { CallSignature, Parameter, Tree } from './description.js'
import { keyName, parameterName } from './names.js'
import { type TypeWriter, variablesIn } from './types.js'

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
  const calls = signatures.map(({ parameters }, at) => call(parameters, results[at] as Tree, types, known))
  const separator = calls.length === 1 ? ' => ' : ': '
  const texts = calls.map(([parameters, result]) => parameters + separator + result)
  const all = texts.length === 1 ? texts.join('') : `{ ${texts.join('; ')} }`
  const parts = [all, ...keywordTypes(signatures, types)]
  const line = `${generic}<${parts.join(', ')}>`
  if (line.length <= WIDTH - indent.length || parts.length + texts.length === 2) return line
  const overloads = `{\n${texts.map((text) => `${indent}    ${text}\n`).join('')}${indent}  }`
  const [first = '', ...rest] = texts.length === 1 ? parts : [overloads, ...parts.slice(1)]
  return `${generic}<\n${[first, ...rest].map((part) => `${indent}  ${part}`).join(',\n')}\n${indent}>`
}

function call(
  parameters: readonly Parameter[],
  result: Tree,
  types: TypeWriter,
  known: ReadonlySet<string>,
): [parameters: string, result: string] {
  const ordered = parameters.filter(({ kind }) => kind === 'positional' || kind === 'either' || kind === 'rest')
  const written = ordered.map(({ name, kind, type, default: value }) => {
    const text = types.write(type, 'in')
    if (kind === 'rest') return `...${parameterName(name)}: ${arrayOf(text)}`
    return `${parameterName(name)}${value === undefined ? '' : '?'}: ${text}`
  })
  const variables = variablesIn([...parameters.map(({ type }) => type), result]).filter(({ name }) => !known.has(name))
  const generics = variables.map(
    ({ name, bound }) => `${name}${bound === undefined ? '' : ` extends ${types.write(bound, 'in')}`}`,
  )
  const head = generics.length === 0 ? '' : `<${generics.join(', ')}>`
  return [`${head}(${written.join(', ')})`, types.result(result)]
}

function arrayOf(text: string): string {
  return /^\w+$/.test(text) ? `${text}[]` : `(${text})[]`
}

/** The types of what can be given by name, without the empty ones at the end. */
function keywordTypes(signatures: readonly CallSignature[], types: TypeWriter): string[] {
  const [only, either] = (['keyword', 'either'] as const).map((kind) => merge(signatures, kind, types))
  const rest = signatures.flatMap(({ parameters }) => parameters.filter(({ kind }) => kind === 'keywords'))
  const entries = [...only!]
  if (rest.length > 0) {
    // All properties have to agree with it.
    const own = rest.map(({ type }) => types.write(type, 'in'))
    const all = new Set([
      ...own,
      ...[...only!, ...either!].flatMap(({ type, optional }) => [type, ...(optional ? ['undefined'] : [])]),
    ])
    const isAnything = own.some((type) => type.startsWith('unknown'))
    entries.push({ name: undefined, type: isAnything ? 'unknown' : [...all].join(' | '), optional: false })
  }
  const parts = [object(entries), object(either!)]
  while (parts.at(-1) === '{}') parts.pop()
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
  for (const { parameters } of signatures) {
    for (const { name, kind, type, default: value } of parameters) {
      if (kind !== wanted) continue
      const entry = found.get(name) ?? { types: new Set(), required: 0 }
      found.set(name, entry)
      // A type variable means nothing outside of the call.
      entry.types.add(variablesIn([type]).length > 0 ? 'unknown' : types.write(type, 'in'))
      if (value === undefined) entry.required++
    }
  }
  return Array.from(found, ([name, { types: all, required }]) => ({
    name,
    type: [...all].map((type) => (all.size > 1 && type.includes('=>') ? `(${type})` : type)).join(' | '),
    optional: required < signatures.length,
  }))
}

function object(entries: readonly Entry[]): string {
  if (entries.length === 0) return '{}'
  const written = entries.map(({ name, type, optional }) =>
    name === undefined ? `[name: string]: ${type}` : `${keyName(name)}${optional ? '?' : ''}: ${type}`,
  )
  return `{ ${written.join('; ')} }`
}
