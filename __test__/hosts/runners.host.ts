import test from 'ava'
import { testedProject } from '../helpers/runners.js'

// Vitest in every pool that it has. Jest is in `runners.spec.ts`.

for (const pool of ['forks', 'threads', 'vmForks', 'vmThreads']) {
  test.serial(`Vitest loads it in its pool ${pool}`, async (t) => {
    const { vitest } = await testedProject(t)
    const { code, stdout, stderr } = await vitest(pool)
    t.is(code, 0, stdout + stderr)
    t.regex(stdout, /Tests +2 passed/)
  })
}
