/** Cuts functions and classes, with their decorators, out of the Python file that is running. */

let file

/** The source of the named definitions, in the order given. */
export async function pythonSource(names) {
  file ??= fetch('/main.py').then((response) => {
    if (!response.ok) throw new Error(`main.py could not be read: ${response.status}`)
    return response.text()
  })
  const lines = (await file).split('\n')
  return names.map((name) => definition(lines, name)).join('\n\n')
}

function definition(lines, name) {
  const pattern = new RegExp(`^(?:async )?(?:def|class) ${name}\\b`)
  let start = lines.findIndex((line) => pattern.test(line))
  if (start < 0) throw new Error(`main.py does not define ${name}`)

  // A definition ends before the next line that is not indented; `)` closes a signature of several lines.
  let end = start + 1
  while (end < lines.length && (/^\s|^\)/.test(lines[end]) || lines[end] === '')) end++
  while (lines[start - 1]?.startsWith('@')) start--
  return lines.slice(start, end).join('\n').trimEnd()
}
