'use strict'
require('./node-version.cjs')
module.exports = require('./common.cjs')('fastify', () => require('../dist/fastify.js'))
