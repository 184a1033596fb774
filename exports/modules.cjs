'use strict'
require('./node-version.cjs')
module.exports = require('./common.cjs')('modules', () => require('../dist/modules.js'))
