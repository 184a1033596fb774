// Trees of types as TypeScript: as what Python gives, and as what it takes.
import { quoted, parameterName } from './names.js'
import type { Definition, Tree, Variable } from './description.js'

/** `out`: what JavaScript gets. `in`: what it may give; `validated`: what it may give to pydantic. */
export type Direction = 'in' | 'out' | 'validated'

/** What `int` is in results. */
export type IntType = 'number' | 'bigint' | 'number | bigint'

/** A type that has a name in the file. */
export interface Named {
  definition: Definition
  /** Its name there. */
  name: string
  /** Whether what may be given is another type than what is got. */
  hasInput: boolean
}

/** What is written as a text in Python's `str()` and cannot be made by JavaScript, nor any other instance. */
const HANDLE = 'PythonHandle'

/** Writes types; what is named it knows by its definition. */
export class TypeWriter {
  readonly #named: ReadonlyMap<string, Named>
  readonly #int: IntType

  constructor(named: ReadonlyMap<string, Named>, int: IntType) {
    this.#named = named
    this.#int = int
  }

  write(tree: Tree, direction: Direction): string {
    const members = [...new Set(this.#members(tree, direction))]
    if (members.length === 1) return members[0] ?? 'never'
    // null is read best at the end, and a function within a union needs brackets.
    const [nulls, others] = [members.filter(isNull), members.filter((member) => !isNull(member))]
    return [...others, ...nulls].map((member) => (hasTop(member, '=>') ? `(${member})` : member)).join(' | ') || 'never'
  }

  /** What a call of a function gives. */
  result(tree: Tree): string {
    if (tree.kind === 'iterator') return `PythonIterator<${this.write(tree.of, 'out')}>`
    return `Promise<${this.write(tree.kind === 'awaitable' ? tree.of : tree, 'out')}>`
  }

  /**
   * A constant of a module.
   *
   * @param isAtOnce whether it is there with the module
   */
  constant(tree: Tree, isAtOnce: boolean): string {
    const type = this.write(tree, 'out')
    return isAtOnce ? type : `PythonAttribute<${type}>`
  }

  #members(tree: Tree, direction: Direction): string[] {
    if (tree.kind === 'union') return tree.of.flatMap((each) => this.#members(each, direction))
    if (tree.kind === 'reference') return this.#reference(tree, direction)
    return direction === 'out' ? this.#given(tree) : this.#taken(tree, direction)
  }

  /** What is the same in both directions. */
  #common(tree: Tree): string[] {
    switch (tree.kind) {
      case 'unknown':
        return [tree.why === undefined ? 'unknown' : `unknown /* ${tree.why.replaceAll('*/', '* /')} */`]
      case 'never':
        return ['never']
      case 'bool':
        return ['boolean']
      case 'float':
        return ['number']
      case 'str':
        return ['string']
      case 'none':
        return ['null']
      case 'error':
        return ['Error']
      case 'class-of':
        return ['PythonClass']
      case 'array':
        return tree.array === null ? ['TypedArray', 'NdArray'] : [tree.array, `NdArray<${tree.array}>`]
      case 'variable':
        return [tree.name]
      default:
        return ['unknown']
    }
  }

  #given(tree: Tree): string[] {
    const out = (inner: Tree): string => this.write(inner, 'out')
    switch (tree.kind) {
      case 'int':
        return this.#int.split(' | ')
      case 'text':
        return ['string']
      case 'timedelta':
        return ['number']
      case 'bytes':
        return ['Uint8Array']
      case 'buffer':
        return ['TypedArray', 'NdArray']
      case 'array-like':
        return ['TypedArray', 'NdArray']
      case 'datetime':
        // A naive one is written as a text.
        return tree.aware === undefined ? ['Date', 'string'] : [tree.aware ? 'Date' : 'string']
      case 'literal':
        return [literal(tree.value)]
      case 'literal-int':
        return [integer(tree.value)]
      case 'list':
        return [`${atom(out(tree.of))}[]`]
      case 'iterable':
        return [`${atom(out(tree.of))}[]`, `AsyncIterable<${out(tree.of)}>`]
      case 'set':
        return [`Set<${out(tree.of)}>`]
      case 'tuple':
        return [`[${tree.of.map(out).join(', ')}]`]
      case 'iterator':
        return [`AsyncIterableIterator<${out(tree.of)}>`]
      case 'async-iterable':
        return [`AsyncIterable<${out(tree.of)}>`]
      case 'awaitable':
        return [`Promise<${out(tree.of)}>`]
      case 'dict':
        return this.#dict(tree.key, out(tree.value))
      case 'callable': {
        const parameters = positional(tree.parameters?.map((each) => this.write(each, 'in')))
        return [`PythonFunction<(${parameters}) => ${this.result(tree.result)}>`]
      }
      default:
        return this.#common(tree)
    }
  }

  #taken(tree: Tree, direction: 'in' | 'validated'): string[] {
    const into = (inner: Tree): string => this.write(inner, direction)
    const isValidated = direction === 'validated'
    switch (tree.kind) {
      case 'int':
        return ['number', 'bigint']
      case 'text':
        return isValidated ? ['string', HANDLE] : [`${HANDLE} /* ${tree.python} */`]
      case 'timedelta':
        return [`${HANDLE} /* datetime.timedelta */`]
      case 'bytes':
        return ['Uint8Array', 'ArrayBuffer']
      case 'buffer':
        return ['TypedArray', 'NdArray']
      case 'array-like':
        return ['TypedArray', 'NdArray', 'readonly unknown[]', 'number']
      case 'datetime':
        if (isValidated) return ['Date', 'string']
        return tree.aware === false ? [`${HANDLE} /* a naive datetime */`] : ['Date']
      case 'literal':
      case 'literal-int':
        if (tree.member !== undefined && !isValidated) return [`${HANDLE} /* ${tree.member} */`]
        return this.#given(tree)
      case 'list':
        return [`readonly ${atom(into(tree.of))}[]`]
      case 'iterable':
        return [`readonly ${atom(into(tree.of))}[]`, `ReadonlySet<${into(tree.of)}>`]
      case 'set':
        return [`ReadonlySet<${into(tree.of)}>`]
      case 'tuple':
        return [`readonly [${tree.of.map(into).join(', ')}]`]
      case 'iterator':
      case 'async-iterable':
        return [`AsyncIterable<${into(tree.of)}>`]
      case 'awaitable':
        return [`Promise<${into(tree.of)}>`]
      case 'dict':
        return this.#takenDict(tree.key, into(tree.value))
      case 'callable': {
        const parameters = positional(
          tree.parameters?.map((each) => this.write(each, 'out')),
          'any',
        )
        const given = tree.result.kind === 'awaitable' ? tree.result.of : tree.result
        const result = given.kind === 'none' ? 'void' : into(given)
        return [`(${parameters}) => ${result === 'unknown' ? result : `${result} | Promise<${result}>`}`]
      }
      default:
        return this.#common(tree)
    }
  }

  #dict(key: Tree, value: string): string[] {
    const keys = this.#textKeys(key)
    if (keys === 'string') return [`{ [key: string]: ${value} }`]
    if (keys !== undefined) return [`Partial<Record<${keys}, ${value}>>`]
    return isOpen(key)
      ? [`{ [key: string]: ${value} }`, `Map<unknown, ${value}>`]
      : [`PythonMap<${this.write(key, 'out')}, ${value}>`]
  }

  #takenDict(key: Tree, value: string): string[] {
    const keys = this.#textKeys(key)
    if (keys === 'string') return [`{ readonly [key: string]: ${value} }`]
    if (keys !== undefined) return [`Readonly<Partial<Record<${keys}, ${value}>>>`]
    return isOpen(key)
      ? [`{ readonly [key: string]: ${value} }`, `ReadonlyMap<unknown, ${value}>`]
      : [`ReadonlyMap<${this.write(key, 'in')}, ${value}>`]
  }

  /** The type of keys that are all texts, which makes a dict an object; undefined for others. */
  #textKeys(key: Tree): string | undefined {
    if (key.kind === 'str') return 'string'
    if (key.kind === 'literal') return typeof key.value === 'string' && !key.member ? literal(key.value) : undefined
    if (key.kind === 'union') {
      const all = key.of.map((each) => this.#textKeys(each))
      if (all.includes(undefined)) return undefined
      return all.includes('string') ? 'string' : all.join(' | ')
    }
    if (key.kind !== 'reference') return undefined
    const definition = this.#named.get(key.id)?.definition
    if (definition?.kind === 'alias') return this.#textKeys(definition.type) && 'string'
    const isText = definition?.kind === 'enum' && definition.mixed
    return isText ? this.#textKeys({ kind: 'union', of: definition.members.map(({ type }) => type) }) : undefined
  }

  #reference({ id, arguments: given }: Extract<Tree, { kind: 'reference' }>, direction: Direction): string[] {
    const named = this.#named.get(id)
    if (named === undefined) return ['unknown']
    const { definition, name, hasInput } = named
    const count = definition.parameters?.length ?? 0
    // Bare, as in `-> Box`, its parameters can be anything.
    const all = Array.from({ length: count }, (_, at) => (given[at] ? this.write(given[at], direction) : 'unknown'))
    const suffix = all.length === 0 ? '' : `<${all.join(', ')}>`
    const own = name + suffix
    switch (definition.kind) {
      case 'class':
      case 'opaque':
        return [direction === 'out' ? `StaysInPython<${own}>` : `${HANDLE}<${own}>`]
      case 'record':
      case 'named-tuple':
        // A plain object or array of JavaScript's would arrive as a dict or list.
        if (direction === 'validated') return [own, `${HANDLE}<${own}>`]
        return [direction === 'out' ? own : `${HANDLE}<${own}>`]
      case 'enum':
      case 'flags':
        return [direction !== 'in' || definition.mixed ? own : `${HANDLE}<${own}>`]
      default:
        return [direction !== 'out' && hasInput ? `${name}Input${suffix}` : own]
    }
  }
}

/** The type variables within some types, each once. */
export function variablesIn(trees: readonly (Tree | undefined)[]): Variable[] {
  const found = new Map<string, Variable>()
  const look = (tree: Tree): void => {
    if (tree.kind === 'variable') {
      found.set(tree.name, tree)
      return
    }
    for (const value of Object.values(tree) as unknown[]) {
      for (const inner of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (typeof inner === 'object' && inner !== null && 'kind' in inner) look(inner as Tree)
      }
    }
  }
  for (const tree of trees) if (tree !== undefined) look(tree)
  return [...found.values()]
}

/** Parameters that have no names of their own. */
function positional(types: readonly string[] | undefined, any = 'unknown'): string {
  if (types === undefined) return `...args: ${any}[]`
  return types.map((type, at) => `${parameterName(`arg${at}`)}: ${type}`).join(', ')
}

function isOpen({ kind }: Tree): boolean {
  return kind === 'any' || kind === 'unknown'
}

function isNull(member: string): boolean {
  return member === 'null'
}

function literal(value: string | boolean | null): string {
  return typeof value === 'string' ? quoted(value) : String(value)
}

function integer(text: string): string {
  return Number.isSafeInteger(Number(text)) ? text : `${text}n`
}

/** A type as the element of an array. */
function atom(type: string): string {
  return hasTop(type, '|') || hasTop(type, '=>') || /^readonly |\/\*/.test(type) ? `(${type})` : type
}

/** Whether a sign stands in a type outside of all brackets and texts. */
function hasTop(type: string, sign: string): boolean {
  const bare = type.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/'(?:[^'\\]|\\.)*'/g, "''")
  let depth = 0
  for (let at = 0; at < bare.length; at++) {
    if (depth === 0 && bare.startsWith(sign, at)) return true
    if ('([{<'.includes(bare[at] ?? ' ')) depth++
    if (')]}'.includes(bare[at] ?? ' ') || (bare[at] === '>' && bare[at - 1] !== '=')) depth--
  }
  return false
}
