import { GROUPS, OPTIONS, type OptionSpec, placeholderOf } from './table.js'

const HEAD = `\
Usage: amphis APP [options]                     serves a Python app inside this Node.js process
       amphis run FILE | -m MODULE | -c CODE    runs Python without a server (amphis run --help)
       amphis init | amphis venv                write a project | make its .venv (each: --help)
       amphis types FILE | amphis openapi APP   types of modules | the API of an app (each: --help)
APP is module:attribute, as in main:app or package.module:create_app; ASGI or WSGI.
`

const TAIL = `
Any option may be an environment variable (AMPHIS_PORT=80) or a key of amphis.config.js (port: 80).
Examples:
  amphis main:app --reload
  amphis main:app --host 0.0.0.0 --port 80 --workers 4 --log-format json
  amphis shop.asgi:create_app --factory --ssl-certfile cert.pem --ssl-keyfile key.pem --http2`

/** How an option is written: `-h, --help`, `--port PORT`, `--[no-]access-log`. */
function written(name: string, spec: OptionSpec): string {
  const short = spec.short ? `-${spec.short}, ` : ''
  // Every switch has an opposite; it is worth showing where the switch is on by itself.
  const opposite = spec.type === 'switch' && spec.default === 'on' ? '[no-]' : ''
  return `${short}--${opposite}${name} ${placeholderOf(spec)}`.trimEnd()
}

/** The help, made from the table of options. */
export function usage(): string {
  const rows = Object.entries(OPTIONS).map(([name, spec], index, all) => {
    const begins = all[index - 1]?.[1].group !== spec.group
    const shown = spec.type === 'switch' || spec.default === '' ? undefined : spec.default
    return {
      group: begins ? GROUPS[spec.group] : '',
      option: written(name, spec),
      meaning: `${spec.description}${shown === undefined ? '' : ` [${shown}]`}`,
    }
  })
  const [groups, options] = (['group', 'option'] as const).map((key) => Math.max(...rows.map((row) => row[key].length)))
  const lines = rows.map(
    ({ group, option, meaning }) => `${group.padEnd(groups! + 2)}${option.padEnd(options! + 2)}${meaning}`,
  )
  return [HEAD, ...lines, TAIL].join('\n')
}
