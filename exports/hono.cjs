'use strict'
require('./node-version.cjs')
module.exports = require('./common.cjs')('hono', () => require('../dist/hono.js'))
