import { OPTIONS, placeholderOf } from './options.js'

/** The help, made from the table of options. */
export function usage(): string {
  const rows = Object.entries(OPTIONS).map(([name, spec]) => {
    const short = spec.short ? `-${spec.short}, ` : '    '
    const left = `${short}--${name} ${placeholderOf(spec)}`.trimEnd()
    return { left, right: spec.default ? `${spec.description} (default: ${spec.default})` : spec.description }
  })
  const width = Math.max(...rows.map(({ left }) => left.length))
  return [
    'Usage: amphis APP [options]',
    '',
    'Serves a Python ASGI app over HTTP, inside this Node.js process.',
    'APP is module:attribute, as in main:app or package.module:create_app.',
    '',
    'Options:',
    ...rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`),
  ].join('\n')
}
