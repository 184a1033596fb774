'use strict'
require('./node-version.cjs')
module.exports = require('./common.cjs')('config', () => require('../dist/config.js'))
