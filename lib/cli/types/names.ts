// Names of Python's in TypeScript: which need another one within the file.
import { isIdentifier } from '../../modules/export-names.js'

/** What a module of JavaScript cannot declare, though it can export it. */
const RESERVED = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends ' +
    'false finally for function if implements import in instanceof interface let new null package private protected ' +
    'public return static super switch this throw true try typeof undefined var void while with yield'
  ).split(' '),
)

/** Types that the declarations use themselves. */
export const IMPORTED = [
  'NdArray',
  'PythonAttribute',
  'PythonClass',
  'PythonFunction',
  'PythonIterator',
  'PythonMap',
  'PythonHandle',
  'StaysInPython',
  'TypedArray',
] as const

const USED = new Set<string>([
  ...IMPORTED,
  ...(
    'any bigint boolean never null number object string symbol unknown void ArrayBuffer AsyncIterable ' +
    'AsyncIterableIterator Date Error Partial Promise Record Set ReadonlyMap ReadonlySet BigInt64Array BigUint64Array ' +
    'Float32Array Float64Array Int16Array Int32Array Int8Array Uint16Array Uint32Array Uint8Array'
  ).split(' '),
])

/** Whether it can be declared under its own name. */
export function canBeDeclared(name: string): boolean {
  return !RESERVED.has(name) && !(IMPORTED as readonly string[]).includes(name)
}

/** The name of a parameter. */
export function parameterName(name: string): string {
  return RESERVED.has(name) ? `${name}_` : name
}

/** A key of an object type. */
export function keyName(name: string): string {
  return isIdentifier(name) ? name : quoted(name)
}

/** A text as TypeScript writes it in the house's way. */
export function quoted(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1)
  return `'${inner.replaceAll(String.raw`\"`, '"').replaceAll("'", String.raw`\'`)}'`
}

/** Names for types, none of them twice. */
export class TypeNames {
  readonly #taken = new Set<string>(USED)

  take(name: string): string {
    const base = name.replaceAll(/[^\p{ID_Continue}$]+/gu, '_').replace(/^(?=\P{ID_Start})(?!_)/u, '_')
    let own = RESERVED.has(base) || USED.has(base) ? `${base}_` : base
    for (let count = 2; this.#taken.has(own); count++) own = `${base}${count}`
    this.#taken.add(own)
    return own
  }
}
