import { OPTIONS, placeholderOf } from './options.js'

const COLUMNS = 100

/** Breaks a text into lines of at most so many characters, between words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

/** The help, made from the table of options. */
export function usage(): string {
  const rows = Object.entries(OPTIONS).map(([name, spec]) => {
    const short = spec.short ? `-${spec.short}, ` : '    '
    const left = `  ${short}--${spec.type === 'switch' ? '[no-]' : ''}${name} ${placeholderOf(spec)}`.trimEnd()
    const defaults = [spec.env && `$${spec.env}`, spec.default].filter(Boolean).join(' or ')
    return { left, right: defaults ? `${spec.description} (default: ${defaults})` : spec.description }
  })
  const width = Math.max(...rows.map(({ left }) => left.length)) + 2
  return [
    'Usage: amphis APP [options]',
    '',
    'Serves a Python ASGI app over HTTP and WebSocket, inside this Node.js process.',
    'APP is module:attribute, as in main:app or package.module:create_app.',
    '',
    'Options:',
    ...rows.flatMap(({ left, right }) =>
      wrap(right, COLUMNS - width).map((line, index) => (index === 0 ? left : '').padEnd(width) + line),
    ),
  ].join('\n')
}
