// `amphis types`: declarations of TypeScript beside Python modules.
import { readArguments } from '../options/arguments.js'
import { UsageError } from '../errors/usage-error.js'
import { report } from '../log/report.js'
import { type TypesSettings, writeDeclarations } from './write.js'

const INTS = ['number | bigint', 'number', 'bigint'] as const

const USAGE = `\
Usage: amphis types FILE.py... [options]

Writes FILE.d.py.ts beside each file: its functions, classes and constants as TypeScript sees them, from the
annotations. The modules are imported for it, by the Python that would serve them. TypeScript reads the declarations
with "allowArbitraryExtensions": true.

      --watch          write them again when a file changes
      --int TYPE       what int is in results: number, bigint (default: number | bigint)
      --out DIR        write into this folder, as far below it as the files are below --app-dir
      --app-dir DIR    folder that the modules are imported from (default: the first one above that is no package)
      --python PATH    interpreter or virtual environment (default: the nearest)
  -h, --help           this help`

/**
 * `amphis types`.
 *
 * @param args what follows `types`
 * @returns the exit code: 1 where a module has no declarations now
 * @throws {UsageError} when they are not understood
 * @throws {AmphisError} when there is no Python
 */
export async function types(args: string[]): Promise<number> {
  const { operands, values } = readArguments(
    'amphis types',
    args,
    {
      watch: {},
      int: { placeholder: 'number|bigint' },
      out: { placeholder: 'DIR' },
      'app-dir': { placeholder: 'DIR' },
      python: { placeholder: 'PATH' },
      help: { short: 'h' },
    },
    'files',
  )
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  if (operands.length === 0) {
    throw new UsageError('`amphis types` needs a file: amphis types model.py. `amphis types --help` shows the options.')
  }
  const stranger = operands.find((file) => !file.endsWith('.py'))
  if (stranger !== undefined) throw new UsageError(`\`amphis types\` takes files of Python (*.py), not ${stranger}.`)
  const settings: TypesSettings = {
    int: intType(values.int as string | undefined),
    out: values.out as string | undefined,
    appDir: values['app-dir'] as string | undefined,
    python: values.python as string | undefined,
  }
  // What changes while they are described is not in them.
  const since = Date.now()
  const code = await writeAll(operands, settings)
  if (!values.watch) return code
  const { watchFiles } = await import('./watch.js')
  await watchFiles(operands, { appDir: settings.appDir, since }, (files) => writeAll(files, settings))
  return 0
}

/** One after another, as far as they can be written. */
async function writeAll(files: readonly string[], settings: TypesSettings): Promise<number> {
  let code = 0
  for (const file of files) {
    try {
      console.log(await writeDeclarations(file, settings))
    } catch (error) {
      code = Math.max(code, report(error))
    }
  }
  return code
}

function intType(asked: string | undefined): TypesSettings['int'] {
  const found = INTS.find((int) => int === (asked ?? 'number | bigint').replaceAll(/\s*\|\s*/g, ' | '))
  if (found === undefined) throw new UsageError(`--int takes number or bigint, not ${JSON.stringify(asked)}.`)
  return found
}
