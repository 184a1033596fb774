// What the program in Python says of a module: `python/amphis_describe`.

/** A type, as a tree. */
export type Tree =
  | { kind: 'any' | 'never' | 'bool' | 'int' | 'float' | 'str' | 'bytes' | 'buffer' | 'none' }
  | { kind: 'timedelta' | 'error' | 'class-of' | 'array-like' }
  | { kind: 'unknown'; why?: string }
  | { kind: 'literal'; value: string | boolean | null; member?: string }
  | { kind: 'literal-int'; value: string; member?: string }
  | { kind: 'text'; python: string }
  | { kind: 'datetime'; aware?: boolean }
  | { kind: 'list' | 'set' | 'iterable' | 'iterator' | 'async-iterable' | 'awaitable'; of: Tree }
  | { kind: 'tuple' | 'union'; of: Tree[] }
  | { kind: 'dict'; key: Tree; value: Tree }
  | { kind: 'callable'; parameters: Tree[] | null; result: Tree }
  | { kind: 'array'; array: string | null }
  | Variable
  | Reference

export interface Variable {
  kind: 'variable'
  name: string
  bound?: Tree
}

export interface Reference {
  kind: 'reference'
  id: string
  arguments: Tree[]
}

export interface Parameter {
  name: string
  kind: 'positional' | 'either' | 'rest' | 'keyword' | 'keywords'
  type: Tree
  /** There where it has one: as Python writes it, or null where that says nothing. */
  default?: string | null
}

/** A constructor has no result. */
export interface CallSignature {
  parameters: Parameter[]
  result?: Tree
  /** Whether it makes of plain data what it wants, as pydantic's models do. */
  validated?: boolean
}

export interface Callable {
  name: string
  doc?: string | null
  signatures: CallSignature[]
}

export interface Field {
  name: string
  type: Tree
  optional?: boolean
  doc?: string | null
}

/** What has a name as a type. */
export type Definition = { name: string; doc?: string | null; parameters?: Tree[] } & (
  | { kind: 'alias'; type: Tree }
  | { kind: 'typed-dict' | 'record' | 'named-tuple'; fields: Field[] }
  | { kind: 'enum'; members: { name: string; type: Tree }[]; mixed: boolean }
  | { kind: 'flags'; mixed: boolean }
  | { kind: 'class'; fields: Field[]; methods: Callable[] }
  | { kind: 'opaque'; python?: string }
)

/** A name that the module offers. */
export type Export =
  | ({ kind: 'function' } & Callable)
  | ({ kind: 'class'; instance: Tree; statics: Callable[] } & Callable)
  | { kind: 'constant'; name: string; type: Tree; atOnce: boolean }
  | { kind: 'type'; name: string; type: Tree }

export interface ModuleDescription {
  module: string
  doc: string | null
  exports: Export[]
  definitions: Record<string, Definition>
}

/** What kept it from describing the module. */
export type Failure = { importError: { type: string; traceback: string } } | { otherModule: string }
