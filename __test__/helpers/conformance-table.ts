/** What docs/asgi.md says of one part of ASGI. */
export interface Row {
  title: string
  /** As GitHub links to it. */
  anchor: string
  proofs: { spec: string; titles: string[] }[]
}

const expression = /\$\{[^}]*\}/g
const declaration = /^[ \t]*([\w$]+(?:\.\w+)*)\(\s*(['"`])((?:\\.|(?!\2)[^\\])*)\2\s*,/gm
const alias = /^const (\w+) = (test(?:\.\w+)*)$/gm

/**
 * The titles of the tests in a spec file, each with an ellipsis for every expression in it. Tests that do not run
 * everywhere are left out: those that are skipped, to do or expected to fail, and those of one platform.
 */
export function readTitles(source: string): Set<string> {
  const aliases = new Map(Array.from(source.matchAll(alias), ([, name = '', of = '']) => [name, of]))
  const titles = new Set<string>()
  for (const [, called = '', , title = ''] of source.matchAll(declaration)) {
    const [name, ...modifiers] = (aliases.get(called) ?? called).split('.')
    if (name !== 'test' || modifiers.some((modifier) => modifier !== 'serial')) continue
    titles.add(title.replaceAll(expression, '…').replaceAll(/\\(.)/g, '$1'))
  }
  return titles
}

const anchorOf = (title: string) =>
  title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

/** The rows of docs/asgi.md: a heading, and a list of spec files with the titles that each gives. */
export function readRows(page: string): Row[] {
  return page
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const [title = '', ...lines] = section.split(/^## /m)[0]?.split('\n') ?? []
      const proofs = lines.flatMap((line) => {
        const [, spec, named] = /^- \[[^\]]+\]\(\.\.\/__test__\/([\w-]+\.spec\.ts)\): (.+)$/.exec(line) ?? []
        if (spec === undefined || named === undefined) return []
        return [{ spec, titles: Array.from(named.matchAll(/(`+) ?(.+?) ?\1/g), ([, , code = '']) => code) }]
      })
      return { title, anchor: anchorOf(title), proofs }
    })
}

/** The lines of the first table below a heading, without its head, cut into cells. */
export function readTable(page: string, heading: string): string[][] {
  const lines = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0]?.split('\n') ?? []
  return lines
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}
