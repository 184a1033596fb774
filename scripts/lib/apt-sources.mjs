import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Where a machine's own Debian packages come from.
 *
 * @typedef {object} Mirror
 * @property {string} uri
 * @property {Record<string, string>} options of deb822: `Signed-By`, `Trusted`
 */

/** @param {string} folder */
function namesIn(folder) {
  try {
    return readdirSync(folder).toSorted()
  } catch {
    return []
  }
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/**
 * The entries of `.sources` files: paragraphs of fields, in which a line that begins with a blank goes on.
 *
 * @param {string} text
 * @returns {Record<string, string>[]} by the names of the fields in lower case
 */
function paragraphs(text) {
  const lines = text.replaceAll(/^#.*\n/gm, '').replaceAll(/\n[ \t]+/g, ' ')
  return lines
    .split(/\n\s*\n/)
    .map((paragraph) =>
      Object.fromEntries(
        [...paragraph.matchAll(/^([\w-]+):[ \t]*(.*)$/gm)].map(([, name = '', value = '']) => [
          name.toLowerCase(),
          value.trim(),
        ]),
      ),
    )
}

/**
 * The same of `.list` files: `deb [signed-by=KEY] URI SUITE COMPONENT...`
 *
 * @param {string} text
 * @returns {Record<string, string>[]}
 */
function oneLineEntries(text) {
  const lines = text.matchAll(/^(deb)\s+(?:\[(.*?)\]\s*)?(\S+)\s+(\S+)\s+(.*)$/gm)
  return [...lines].map(([, types = '', options = '', uris = '', suites = '', components = '']) =>
    Object.assign(optionsOf(options), { types, uris, suites, components }),
  )
}

/** @param {string} text @returns {Record<string, string>} */
function optionsOf(text) {
  const pairs = text.matchAll(/([\w-]+)=(\S+)/g)
  return Object.fromEntries([...pairs].map(([, name = '', value = '']) => [name.toLowerCase(), value]))
}

/** @param {string} file */
function entriesOf(file) {
  if (file.endsWith('.sources')) return paragraphs(read(file))
  return file.endsWith('.list') ? oneLineEntries(read(file)) : []
}

/** @param {string} [list] */
const words = (list) => list?.split(/\s+/) ?? []

/** What a machine may call the release that it follows, besides that release's own name. */
const movingSuites = ['stable', 'testing', 'sid', 'unstable']

/**
 * The mirror of the main archive: the one that has the release which the machine runs.
 *
 * @param {string} codename of that release
 * @param {string} [folder] apt's own
 * @returns {Mirror | undefined}
 */
export function mirrorOf(codename, folder = '/etc/apt') {
  const parts = join(folder, 'sources.list.d')
  const suitable = new Set([codename, ...movingSuites])
  for (const path of [join(folder, 'sources.list'), ...namesIn(parts).map((name) => join(parts, name))]) {
    for (const entry of entriesOf(path)) {
      const [uri] = words(entry.uris)
      if (!uri || entry.enabled?.toLowerCase() === 'no' || !words(entry.types).includes('deb')) continue
      if (!words(entry.suites).some((suite) => suitable.has(suite)) || !words(entry.components).includes('main'))
        continue
      const { 'signed-by': key, trusted } = entry
      // A key that stands in the entry itself is left to mmdebstrap, which looks through those that it knows.
      const file = key?.startsWith('/') && { 'Signed-By': key }
      return { uri, options: { ...file, ...(trusted && { Trusted: trusted }) } }
    }
  }
  return undefined
}
