// The whole file: `model.d.py.ts`.
import type { Callable, Export, ModuleDescription } from './description.js'
import { declareType, nameDefinitions } from './definitions.js'
import { functionType } from './function-type.js'
import { whyLeftOut } from '../../modules/export-names.js'
import { canBeDeclared, IMPORTED, keyName } from './names.js'
import { tsdoc } from './tsdoc.js'
import { type IntType, TypeWriter } from './types.js'

/**
 * The declarations of a module.
 *
 * @param file its name, such as `model.py`
 */
export function declarationsOf(description: ModuleDescription, file: string, int: IntType): string {
  const named = nameDefinitions(description, int)
  const types = new TypeWriter(named, int)
  const parts = Array.from(named.values(), (each) => declareType(each, types))
  const leftOut: string[] = []
  for (const each of description.exports) {
    if (each.kind === 'type') continue
    const reason = whyLeftOut(each.name)
    if (reason === undefined) parts.push(declareValue(each, types))
    else leftOut.push(`// Left out: ${each.name} (${reason})\n`)
  }
  const text = parts.join('\n')
  const used = IMPORTED.filter((name) => new RegExp(String.raw`\b${name}\b`).test(text))
  const head =
    `// Written by \`amphis types\` from ${file}: what is changed here is lost.\n` +
    `/* eslint-disable */\n${tsdoc(description.doc, ['@module'])}`
  const list =
    used.join(', ').length <= 60
      ? ` ${used.join(', ')} `
      : `
${used
  .map(
    (name) => `  ${name},
`,
  )
  .join('')}`
  const imports =
    used.length === 0
      ? ''
      : `import type {${list}} from 'amphis/modules'

`
  const whole = `/** The module, as \`import\` gives it by default. */\ndeclare const module_: typeof import('./${file}')\nexport default module_\n`
  return [
    head,
    imports,
    text,
    text === '' ? '' : '\n',
    whole,
    leftOut.length === 0 ? '' : `\n${leftOut.join('')}`,
  ].join('')
}

/** An export that is there when the program runs. */
type Value = Export & { kind: 'function' | 'class' | 'constant' }

function declareValue(each: Value, types: TypeWriter): string {
  const { name } = each
  const [type, doc] = valueType(each, types)
  const text = each.kind === 'constant' ? tsdoc(doc) : tsdoc(doc, defaultsOf(each))
  if (canBeDeclared(name)) return `${text}export const ${name}: ${type}\n`
  return `${text}declare const ${name}_: ${type}\nexport { ${name}_ as ${name} }\n`
}

function valueType(each: Value, types: TypeWriter): [type: string, doc: string | undefined] {
  const doc = 'doc' in each ? (each.doc ?? undefined) : undefined
  if (each.kind === 'constant') return [types.constant(each.type, each.atOnce), doc]
  if (each.kind === 'function') return [functionType('PythonFunction', each.signatures, types), doc]
  const own = functionType('PythonClass', each.signatures, types, { instance: each.instance })
  if (each.statics.length === 0) return [own, doc]
  const statics = each.statics.map((method) => {
    const type = functionType('PythonFunction', method.signatures, types, { indent: '  ' })
    return `${tsdoc(method.doc, defaultsOf(method), '  ')}  ${keyName(method.name)}: ${type}\n`
  })
  return [`${own} & {\n${statics.join('')}}`, doc]
}

/** What a parameter is when it is not given. */
function defaultsOf({ signatures }: Callable): string[] {
  const [only, ...others] = signatures
  // Overloads say `...`.
  if (only === undefined || others.length > 0) return []
  return only.parameters.flatMap(({ name, default: value }) =>
    value === undefined || value === null || value.startsWith('<')
      ? []
      : [`@param ${name} - default: \`${value.replaceAll('`', "'")}\``],
  )
}
