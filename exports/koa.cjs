'use strict'
require('./node-version.cjs')
module.exports = require('./common.cjs')('koa', () => require('../dist/koa.js'))
