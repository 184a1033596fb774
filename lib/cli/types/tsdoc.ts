// Docstrings as TSDoc.

/** A comment above a declaration; nothing where there is nothing to say. */
export function tsdoc(text: string | null | undefined, tags: readonly string[] = [], indent = ''): string {
  const lines = text ? text.split('\n').map(escaped) : []
  if (lines.length > 0 && tags.length > 0) lines.push('')
  lines.push(...tags.map((tag) => tag.replaceAll('*/', String.raw`*\/`)))
  if (lines.length === 0) return ''
  const [only = ''] = lines
  if (lines.length === 1 && !only.endsWith('\\')) return `${indent}/** ${only} */\n`
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`
}

/** No end of the comment, and nothing that editors take for a tag. */
function escaped(line: string): string {
  return line.replaceAll('*/', String.raw`*\/`).replace(/^(\s*)@/, String.raw`$1\@`)
}
