// Patterns of files.
import { sep } from 'node:path'

/** A pattern that is compared with the end of a path, as `pathlib` and uvicorn do: `*.py`, `templates/*.html`. */
export type Glob = (path: string) => boolean

const SPECIAL = /[$()*+.?[\\\]^{|}/-]/g

/**
 * Reads a pattern: `*` and `?` for characters of a name, `[a-z]` and `[!a-z]` for one of a set, `**` for any folders,
 * `{html,css}` for one of several. One that begins with `/` has to fit the whole path.
 *
 * @returns undefined when it is none
 */
export function parseGlob(pattern: string): Glob | undefined {
  const isAbsolute = pattern.startsWith('/')
  const names = pattern.split('/').filter((name) => name !== '' && name !== '.')
  const parts = names.map((name) => (name === '**' ? '**' : nameSource(name)))
  if (names.length === 0 || parts.includes(undefined)) return undefined
  const source = parts.map((part) => (part === '**' ? '(?:/[^/]+)*' : `/${part}`)).join('')
  const expression = new RegExp(`${isAbsolute ? '^' : ''}${source}$`)
  return (path) => expression.test(sep === '/' ? path : path.replaceAll(sep, '/'))
}

/** One name of a pattern as the source of a regular expression. */
function nameSource(name: string): string | undefined {
  let source = ''
  let isInBraces = false
  for (let at = 0; at < name.length; at++) {
    const character = name[at]!
    if (character === '*') {
      source += '[^/]*'
    } else if (character === '?') {
      source += '[^/]'
    } else if (character === '[') {
      const set = /^\[(!?)(\]?[^\]]*)\]/.exec(name.slice(at))
      if (set === null || set[2] === '') return undefined
      source += `[${set[1] === '!' ? '^/' : ''}${set[2]!.replaceAll(/[\\\]^]/g, String.raw`\$&`)}]`
      at += set[0].length - 1
    } else if (character === '{' || character === '}') {
      if ((character === '{') === isInBraces) return undefined
      isInBraces = !isInBraces
      source += isInBraces ? '(?:' : ')'
    } else if (character === ',' && isInBraces) {
      source += '|'
    } else {
      source += character.replace(SPECIAL, String.raw`\$&`)
    }
  }
  return isInBraces || !compiles(source) ? undefined : source
}

/** False for a set such as `[z-a]`. */
function compiles(source: string): boolean {
  try {
    return new RegExp(source) instanceof RegExp
  } catch {
    return false
  }
}
