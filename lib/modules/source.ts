// The module of JavaScript that stands for a file of Python.
import { whyLeftOut } from './export-names.js'
import type { Name } from './name.js'

/** Which kind of module it is. */
export type SourceFormat = 'module' | 'commonjs'

/**
 * Its source. Nothing of Python is started by it; the module is imported when something of it is first called.
 *
 * @param names what the file offers
 * @param modules where `amphis/modules` is imported from
 * @param located the expression that says where the file is: the arguments of `moduleAt`
 */
export function moduleSource(
  names: readonly Name[],
  modules: string,
  located: string,
  format: SourceFormat = 'module',
): string {
  const offered = names.filter(({ name, kind }) => whyLeftOut(name) === undefined && kind !== 'type')
  const shown = offered.filter(({ kind }) => kind !== 'constant')
  // Names of Python's can be keywords here.
  const lines = shown.map(({ name, kind, value }, at) => {
    const quoted = JSON.stringify(name)
    if (kind === 'literal') return `const $${at} = ${value}`
    return `const $${at} = /* @__PURE__ */ m.${kind === 'class' ? 'class' : 'function'}(${quoted})`
  })
  const exported = shown.map(({ name }, at) => `$${at} as ${name}`)
  const members = shown.map(({ name }, at) => `${JSON.stringify(name)}: $${at}`).join(', ')
  const [head, tail] =
    format === 'module'
      ? [
          `import { moduleAt } from ${JSON.stringify(modules)}`,
          `export { ${exported.join(', ')} }\nexport default /* @__PURE__ */ Object.freeze({ ${members} })`,
        ]
      : [
          `const { moduleAt } = require(${JSON.stringify(modules)})`,
          `module.exports = { __esModule: true, default: Object.freeze({ ${members} }), ${members} }`,
        ]
  return [head, `const m = /* @__PURE__ */ moduleAt(${located})`, ...lines, tail, ''].join('\n')
}
