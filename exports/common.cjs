// For `require`: what `import` gives, where Node.js lets CommonJS have it. Where it does not (Jest, which has a loader of
// its own), the same sources as CommonJS, which share with the others what there must be one of.
'use strict'

/**
 * @param {string} name
 * @param {() => unknown} load
 */
module.exports = (name, load) => {
  try {
    return load()
  } catch (error) {
    if (error === null || typeof error !== 'object' || error.code !== 'ERR_REQUIRE_ESM') throw error
    return require('../dist/required.cjs')[name]
  }
}
