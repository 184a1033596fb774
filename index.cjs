'use strict'
require('./exports/node-version.cjs')
// The very module that `import` gives: there is one of each class, whoever asks.
module.exports = require('./exports/common.cjs')('index', () => require('./dist/index.js'))
