// Loaded before anything else of the package, by import as by require, and by every Node.js there is: hence in words that
// the old ones understand. Throws where this Node.js is too old, before anything newer is touched.
'use strict'

/**
 * @param {string} version
 * @returns {string | undefined} what is wrong with it, in one line
 */
function nodeVersionProblem(version) {
  const parts = version.split('.').map(Number)
  const major = parts[0] || 0
  const minor = parts[1] || 0
  // The same is in package.json as `engines`. Older ones cannot require an ES module.
  if (major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) return undefined
  const needed = '20.19 or later of 20, or 22.12 or later'
  return (
    'amphis needs Node.js ' + needed + ', and this is ' + version + ' (' + process.execPath + '). Install a newer one.'
  )
}

const problem = nodeVersionProblem(process.versions.node)
if (problem !== undefined) {
  // Not an AmphisError: that class is among what this Node.js may not understand.
  throw Object.assign(new Error(problem), { name: 'AmphisError', code: 'AMPHIS_ERR_NODE_VERSION' })
}

module.exports = nodeVersionProblem
