#!/usr/bin/env -S node --
// The dashes keep Node 20 from taking --env-file for an option of its own.
import { main } from '../dist/cli/main.js'

void main(process.argv.slice(2))
