/** @typedef {import('../../lib/cli/options/table.js').OptionSpec} OptionSpec */

const HEADINGS = ['Option', 'Variable', 'Key', 'Default', 'Meaning']

/**
 * The tables of docs/cli.md, a heading and a table for each group.
 *
 * @param {typeof import('../../lib/cli/options/table.js')} table the module of the options
 * @returns {string} Markdown, as prettier would write it
 */
export function optionTables({ GROUPS, OPTIONS, isSetting, keyOf, placeholderOf, variableOf }) {
  /** @type {(name: string, spec: OptionSpec) => string[]} */
  const row = (name, spec) => {
    const names = [`--${name} ${placeholderOf(spec)}`.trimEnd(), ...(spec.short ? [`-${spec.short}`] : [])]
    if (spec.type === 'switch') names.push(`--no-${name}`)
    const variables = isSetting(spec) ? [variableOf(name), ...(spec.env ? [spec.env] : [])] : []
    return [
      names.map(code).join(', '),
      variables.map(code).join(', '),
      isSetting(spec) ? code(keyOf(name)) : '',
      spec.default ? code(spec.default) : '',
      spec.details.replaceAll('|', '\\|'),
    ]
  }
  return Object.entries(GROUPS)
    .map(([group, title]) => {
      const rows = Object.entries(OPTIONS).filter(([, spec]) => spec.group === group)
      return `### ${title}\n\n${markdownTable([HEADINGS, ...rows.map(([name, spec]) => row(name, spec))])}`
    })
    .join('\n\n')
}

/** @param {string} text */
const code = (text) => `\`${text.replaceAll('|', '\\|')}\``

/** @param {string[][]} rows the first is the heading */
function markdownTable(rows) {
  const [headings = [], ...rest] = rows
  const widths = headings.map((_, at) => Math.max(3, ...rows.map((row) => row[at]?.length ?? 0)))
  const line = (/** @type {string[]} */ cells) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line)].join('\n')
}
