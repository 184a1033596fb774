'use strict'
require('./node-version.cjs')
module.exports = require('../dist/aws-lambda.js')
