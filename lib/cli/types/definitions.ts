// The types that have names: interfaces and aliases, and which of them are others when they are given.
import type { Definition, Field, ModuleDescription } from './description.js'
import { functionType } from './function-type.js'
import { keyName, TypeNames } from './names.js'
import { tsdoc } from './tsdoc.js'
import { type Direction, type IntType, type Named, TypeWriter, variablesIn } from './types.js'

/** Gives each definition its name in the file, those of the module itself first. */
export function nameDefinitions({ module, definitions }: ModuleDescription, int: IntType): Map<string, Named> {
  const names = new TypeNames()
  const isOwn = ([id]: [string, Definition]): boolean => id === `${module}.${definitions[id]?.name}`
  const entries = Object.entries(definitions)
  const ordered = [...entries.filter(isOwn), ...entries.filter((entry) => !isOwn(entry))]
  const named = new Map(
    ordered.map(([id, definition]) => [id, { definition, name: names.take(definition.name), hasInput: false }]),
  )
  findInputs(named, new TypeWriter(named, int), names)
  return named
}

/** Those that differ make those differ that are made of them. */
function findInputs(named: ReadonlyMap<string, Named>, types: TypeWriter, names: TypeNames): void {
  let isStable = false
  while (!isStable) {
    isStable = true
    for (const each of named.values()) {
      if (each.hasInput || !isTwofold(each.definition)) continue
      if (body(each, 'out', types) === writable(body(each, 'in', types))) continue
      each.hasInput = true
      names.take(`${each.name}Input`)
      isStable = false
    }
  }
}

/** A type without what only says that it is not changed. */
function writable(type: string): string {
  let text = type.replaceAll(/\breadonly |\bReadonly(?=Set\b)/g, '')
  for (let before = ''; before !== text;) {
    before = text
    text = text.replaceAll(/\((\w+(?:\[\])*)\)\[\]/g, '$1[]')
  }
  return text
}

function isTwofold({ kind }: Definition): boolean {
  return kind === 'typed-dict' || kind === 'alias'
}

/** The declaration of a named type; two where what is given differs. */
export function declareType(named: Named, types: TypeWriter): string {
  const { definition, hasInput } = named
  const own = declaration(named, named.name, 'out', types, definition.doc ?? implied(definition))
  if (!hasInput) return own
  const doc = `What may be given for {@link ${named.name}}.`
  return `${own}\n${declaration(named, `${named.name}Input`, 'in', types, doc)}`
}

function implied(definition: Definition): string | undefined {
  if (definition.kind === 'opaque') return `\`${definition.python ?? definition.name}\`, which stays in Python.`
  if (definition.kind !== 'enum') return undefined
  return definition.members.map(({ name }) => `\`${name}\``).join(', ')
}

function declaration(
  named: Named,
  name: string,
  direction: Direction,
  types: TypeWriter,
  doc: string | null | undefined,
): string {
  const { definition } = named
  const parameters = variablesIn(definition.parameters ?? []).map(({ name: each }) => each)
  const head = parameters.length === 0 ? name : `${name}<${parameters.join(', ')}>`
  const text = body(named, direction, types)
  return `${tsdoc(doc)}export ${isInterface(definition) ? `interface ${head} ${text}` : `type ${head} = ${text}`}\n`
}

function isInterface({ kind }: Definition): boolean {
  return kind === 'typed-dict' || kind === 'record' || kind === 'class' || kind === 'opaque'
}

function body({ definition }: Named, direction: Direction, types: TypeWriter): string {
  switch (definition.kind) {
    case 'alias':
      return types.write(definition.type, direction)
    case 'typed-dict':
    case 'record':
      return members(definition.fields.map((field) => property(field, direction, types)))
    case 'named-tuple': {
      const parts = definition.fields.map(({ name, type }) => `${name}: ${types.write(type, direction)}`)
      return `[${parts.join(', ')}]`
    }
    case 'enum':
      return types.write({ kind: 'union', of: definition.members.map(({ type }) => type) }, 'out')
    case 'flags':
      return 'number'
    case 'class': {
      const variables = new Set(variablesIn(definition.parameters ?? []).map(({ name }) => name))
      const methods = definition.methods.map((method) => {
        const type = functionType('PythonFunction', method.signatures, types, { known: variables, indent: '  ' })
        return `${tsdoc(method.doc, [], '  ')}  ${keyName(method.name)}: ${type}\n`
      })
      const fields = definition.fields.map((field) => property(field, 'out', types))
      return members([...fields, ...methods], definition.name)
    }
    default:
      return members([], definition.python ?? definition.name)
  }
}

/** Without members one class would be as good as another. */
function members(lines: readonly string[], className?: string): string {
  if (lines.length > 0) return `{\n${lines.join('')}}`
  return className === undefined ? '{}' : `{\n  readonly __class__: '${className}'\n}`
}

function property({ name, type, optional, doc }: Field, direction: Direction, types: TypeWriter): string {
  const readonly = direction === 'in' ? 'readonly ' : ''
  return `${tsdoc(doc, [], '  ')}  ${readonly}${keyName(name)}${optional ? '?' : ''}: ${types.write(type, direction)}\n`
}
