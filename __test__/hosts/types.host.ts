import test from 'ava'
import { checkHostTypes } from '../helpers/host-types.js'

// As `host-types.spec.ts`, for hosts whose packages are installed here only.

test.serial('next', async (t) => {
  t.is(await checkHostTypes(t, 'next', ['next', 'react', 'react-dom'], 'next'), '')
})

test.serial('h3 2', async (t) => {
  t.is(await checkHostTypes(t, 'h3-2', ['h3'], 'recipes'), '')
})
