/**
 * A source without comments and literals, which may hold anything. Lengths and lines do not matter any more.
 *
 * @param {string} source
 */
function bare(source) {
  const literal = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|\b[bc]?r(#*)"[\s\S]*?"\1|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[^']+|[^'\\])'/g
  return source.replace(literal, ' ')
}

/**
 * `a::{b, c::{self, d}}` to `a::b`, `a::c`, `a::c::d`.
 *
 * @param {string} tree
 * @returns {string[]}
 */
function pathsOf(tree) {
  const brace = tree.indexOf('{')
  if (brace === -1) {
    const path = tree.replace(/\s+as\s+\w+$/, '').trim()
    return [path.replace(/::self$/, '')]
  }
  const prefix = tree.slice(0, brace).trim()
  const inner = tree.slice(brace + 1, tree.lastIndexOf('}'))
  /** @type {string[]} */
  const parts = []
  let [depth, part] = [0, '']
  for (const letter of inner) {
    if (letter === '{') depth++
    if (letter === '}') depth--
    if (letter === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else part += letter
  }
  return [...parts, part].filter((each) => each.trim()).flatMap((each) => pathsOf(prefix + each.trim()))
}

/**
 * Every path of a source that begins at the crate, at its parent or at itself, as segments from the crate's root.
 *
 * @param {string} source without comments and literals
 * @param {string[]} module that of the source, as segments
 * @returns {string[][]}
 */
function knownPaths(source, module) {
  /** @type {string[][]} */
  const paths = []
  const scope = [...module]
  /** @type {number[]} depths at which an inline module has begun */
  const inline = []
  let depth = 0
  const token = /\bmod\s+(\w+)\s*([;{])|\buse\s+([^;]+);|\b((?:crate|self|super)(?:::\w+)+)|[{}]/g
  for (const match of source.matchAll(token)) {
    const [text, name, end, tree, path] = match
    if (name && end === '{') {
      scope.push(name)
      inline.push(depth++)
    } else if (name === 'tests') {
      // Declared for the test build alone.
    } else if (name) {
      // Declared here: the file that declares a module knows it.
      paths.push([...scope, name])
    } else if (text === '{') depth++
    else if (text === '}') {
      depth--
      if (inline.at(-1) === depth) {
        inline.pop()
        scope.pop()
      }
    } else {
      for (const each of tree ? pathsOf(tree) : [path ?? '']) {
        const absolute = fromRoot(each.split('::'), scope)
        if (absolute) paths.push(absolute)
      }
    }
  }
  return paths
}

/**
 * @param {string[]} path
 * @param {string[]} scope the module that it stands in
 * @returns {string[] | undefined} undefined for what is of another crate
 */
function fromRoot(path, scope) {
  const from = [...scope]
  let rest = path
  if (path[0] === 'crate') return path.slice(1)
  if (path[0] !== 'self' && path[0] !== 'super') return undefined
  for (; rest[0] === 'super' || rest[0] === 'self'; rest = rest.slice(1)) if (rest[0] === 'super') from.pop()
  return [...from, ...rest]
}

/**
 * What each file of a Rust crate knows of the others, by their paths relative to the crate's root folder.
 *
 * @param {ReadonlyMap<string, string>} sources by path, such as `asgi/scope.rs`
 * @returns {Map<string, string[]>}
 */
export function rustArrows(sources) {
  /** @type {Map<string, string>} the file of a module */
  const files = new Map()
  for (const path of sources.keys()) files.set(path.replace(/(^|\/)(mod|lib)\.rs$|\.rs$/, ''), path)
  /** @type {Map<string, string[]>} */
  const arrows = new Map()
  for (const [module, from] of files) {
    const segments = module === '' ? [] : module.split('/')
    const isDoor = /(^|\/)(mod|lib)\.rs$/.test(from)
    const known = new Set()
    for (const path of knownPaths(bare(sources.get(from) ?? ''), segments)) {
      let length = path.length
      while (length > 0 && !files.has(path.slice(0, length).join('/'))) length--
      const to = files.get(path.slice(0, length).join('/'))
      // A room's front door declares what is behind it, and the crate's root its rooms: that is no knowledge.
      const declares = isDoor && length === segments.length + 1 && path.length === length
      if (to !== undefined && to !== from && !declares) known.add(to)
    }
    arrows.set(from, [...known])
  }
  return arrows
}
