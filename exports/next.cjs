'use strict'
require('./node-version.cjs')
module.exports = require('./common.cjs')('next', () => require('../dist/next.js'))
