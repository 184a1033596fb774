/** Cuts what an example is about out of the files that are running. */
import { highlightJavaScript, highlightPython } from './highlight.js'

const files = new Map()

/**
 * @param {string} piece the name of a file, and what is shown of it: definitions of Python's in the order given, or the
 * path of a route; of no names the file without the comment at its head
 * @returns {Promise<DocumentFragment>}
 */
export async function sourceOf(piece) {
  const [file, ...names] = piece.split(' ')
  const lines = (await read(file)).split('\n')
  if (file.endsWith('.py')) {
    return highlightPython(names.map((name) => definition(file, lines, name)).join('\n\n'))
  }
  const shown = names.length > 0 ? names.map((name) => route(file, lines, name)) : [lines.slice(1).join('\n').trim()]
  return highlightJavaScript(shown.join('\n\n'))
}

function read(file) {
  if (!files.has(file)) {
    const asked = fetch(`/${file}`).then((response) => {
      if (!response.ok) throw new Error(`${file} could not be read: ${response.status}`)
      return response.text()
    })
    files.set(file, asked)
  }
  return files.get(file)
}

/** A function or a class of Python's, with its decorators. */
function definition(file, lines, name) {
  const pattern = new RegExp(`^(?:async )?(?:def|class) ${name}\\b`)
  let start = lines.findIndex((line) => pattern.test(line))
  if (start < 0) throw new Error(`${file} does not define ${name}`)

  // A definition ends before the next line that is not indented; `)` closes a signature of several lines.
  let end = start + 1
  while (end < lines.length && (/^\s|^\)/.test(lines[end]) || lines[end] === '')) end++
  while (lines[start - 1]?.startsWith('@')) start--
  return lines.slice(start, end).join('\n').trimEnd()
}

/** A route of Express, which ends where its indentation does. */
function route(file, lines, path) {
  const start = lines.findIndex((line) => line.startsWith(`  app.get('${path}'`))
  const end = lines.indexOf('  })', start)
  if (start < 0 || end < 0) throw new Error(`${file} has no route ${path}`)
  return lines
    .slice(start, end + 1)
    .map((line) => line.slice(2))
    .join('\n')
}
