#!/usr/bin/env -S node --
// The dashes keep Node 20 from taking --env-file for an option of its own.
import { createRequire } from 'node:module'

try {
  createRequire(import.meta.url)('../exports/node-version.cjs')
} catch (error) {
  process.stderr.write('error: ' + (error instanceof Error ? error.message : error) + '\n')
  process.exit(1)
}
// By its address: TypeScript need not look into it.
const { main } = await import(new URL('../dist/cli/main.js', import.meta.url).href)
void main(process.argv.slice(2))
