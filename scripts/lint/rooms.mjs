// A plugin of oxlint: a file of lib/ may know only what the table of rooms lets it know.
import { posix, relative, sep } from 'node:path'
import { Acquaintances, arrowProblem } from '../lib/room-rules.mjs'

/** @typedef {{ type: string, value?: unknown, expressions?: unknown[], quasis?: { value: { cooked: string } }[] }} Node */

const HOUSE = 'lib'

/** The names under which the package knows itself. */
const OWN = new Map([
  ['amphis', 'index.ts'],
  ['amphis/config', 'config.ts'],
])

// One for the whole run. oxlint gives it one file after another, so the last one of a circle sees it whole.
const acquaintances = new Acquaintances(HOUSE)

/**
 * What an import names, where it is written out.
 *
 * @param {Node | null | undefined} source
 */
function nameIn(source) {
  if (source?.type === 'Literal') return String(source.value)
  return source?.type === 'TemplateLiteral' && source.expressions?.length === 0
    ? source.quasis?.[0]?.value.cooked
    : undefined
}

/**
 * The file of the house that is meant; undefined for anything else.
 *
 * @param {string} from relative to the house
 * @param {string} name
 */
function fileOf(from, name) {
  if (!/^\.\.?\//.test(name)) return OWN.get(name)
  const file = posix.join(posix.dirname(from), name).replace(/\.([cm]?)js$/, '.$1ts')
  return file.startsWith('../') ? undefined : file
}

/** @param {{ cwd: string, filename: string, report: (problem: { node: object, message: string }) => void }} context */
function create(context) {
  const path = relative(context.cwd, context.filename).split(sep).join('/')
  if (!path.startsWith(`${HOUSE}/`)) return {}
  const file = path.slice(HOUSE.length + 1)
  /** @type {string[]} */
  const known = []

  /** @param {Node | null | undefined} source */
  const see = (source) => {
    const name = nameIn(source)
    const other = name === undefined ? undefined : fileOf(file, name)
    if (!source || other === undefined) return
    known.push(other)
    const message = arrowProblem(HOUSE, file, other)
    if (message !== undefined) context.report({ node: source, message })
  }

  /** @param {{ source?: Node | null }} node */
  const seeSource = ({ source }) => see(source)

  return {
    ImportDeclaration: seeSource,
    ExportNamedDeclaration: seeSource,
    ExportAllDeclaration: seeSource,
    ImportExpression: seeSource,
    TSImportType: seeSource,
    /** @param {{ expression: Node }} node */
    TSExternalModuleReference: ({ expression }) => see(expression),
    /** @param {object} node */
    'Program:exit': (node) => {
      const message = acquaintances.add(file, known)
      if (message !== undefined) context.report({ node, message })
    },
  }
}

export default { meta: { name: 'rooms' }, rules: { order: { create } } }
