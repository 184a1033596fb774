'use strict'
require('./node-version.cjs')
require('../dist/register.js')
