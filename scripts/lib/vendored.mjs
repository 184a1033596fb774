// What package.json names of the packages that a folder carries along.

/**
 * Dependencies with these packages in the place of those that it carried before: of another platform npm would not find
 * the addon.
 *
 * @param {Readonly<Record<string, string>>} dependencies
 * @param {readonly string[]} tarballs names of files in `vendor/`, as npm gives them
 * @returns {Record<string, string>}
 */
export function withVendored(dependencies, tarballs) {
  const named = tarballs.map((file) => [file.replace(/-\d+\.\d+\.\d+.*$/, ''), `file:vendor/${file}`])
  const own = Object.fromEntries(named)
  const kept = Object.entries(dependencies).filter(
    ([name, from]) => name in own || !from.startsWith('file:vendor/amphis-'),
  )
  return { ...Object.fromEntries(kept), ...own }
}
