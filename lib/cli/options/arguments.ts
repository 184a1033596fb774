// Reads the arguments of the commands that have few options: `init`, `venv` and `types`.
import { parseArgs } from 'node:util'
import { UsageError } from '../errors/usage-error.js'
import { nearest } from '../../base/nearest.js'

/** The options of a command that has few: a flag, or what stands for the value. */
export type Flags = Readonly<Record<string, { readonly short?: string; readonly placeholder?: string }>>

export interface Arguments<Names extends string> {
  /** At most one, such as a folder. */
  operand: string | undefined
  /** All of them, where there may be several. */
  operands: readonly string[]
  /** True for a flag. */
  values: Partial<Record<Names, string | true>>
}

/**
 * Reads the arguments of a command such as `amphis init`.
 *
 * @param command for messages: `amphis init`
 * @param takes whether one folder may follow, or any number of files
 * @throws {UsageError} at the first thing that is not understood, and what to write instead
 */
export function readArguments<Names extends string>(
  command: string,
  args: string[],
  flags: Readonly<Record<Names, Flags[string]>>,
  takes: 'folder' | 'files' = 'folder',
): Arguments<Names> {
  const known = new Map<string, Flags[string]>(Object.entries(flags))
  const options: NonNullable<Parameters<typeof parseArgs>[0]>['options'] = {}
  for (const [name, { short, placeholder }] of known) {
    options[name] = { type: placeholder === undefined ? 'boolean' : 'string', ...(short && { short }) }
  }
  const operands: string[] = []
  const values: Record<string, string | true> = {}
  const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const flag = known.get(name)
    if (flag === undefined) {
      const names = [...known.keys()].map((option) => `--${option}`)
      const close = nearest(rawName, names)
      const remedy = close ? `Did you mean ${close}?` : `\`${command} --help\` shows all there are.`
      throw new UsageError(`\`${command}\` has no option ${rawName}. ${remedy}`)
    }
    if (flag.placeholder === undefined) {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value.`)
      values[name] = true
    } else if (value === undefined || value === '' || (!inlineValue && value.startsWith('-'))) {
      throw new UsageError(`${rawName} needs a value: ${rawName} ${flag.placeholder}.`)
    } else {
      values[name] = value
    }
  }
  if (operands.length > 1 && takes === 'folder')
    throw new UsageError(`\`${command}\` takes one folder, not ${operands.join(' and ')}.`)
  return { operand: operands[0], operands, values: values as Arguments<Names>['values'] }
}
