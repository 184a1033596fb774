import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

const extension = process.platform === 'darwin' ? 'dylib' : 'so'
const file = `engine-${process.versions.modules}.${extension}`

/** Whether the engine of this Node.js was built: a machine without a C++ compiler has none, and is told so by the build. */
export const hasEngine = existsSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)))

/** Whether everything is tested as often as `npm run test:runtimes` does it: it takes half an hour. */
export const isThorough = process.env.AMPHIS_TEST_RUNTIMES === 'thorough'

/** What isolates of this Node.js can be made of: V8 before 12 has but one snapshot a process. */
export const snapshots = Number(process.versions.modules) >= 127 ? (['node', 'v8'] as const) : (['node'] as const)

/** A test of isolated runtimes. Where there is no engine it says in one line that it is left out. */
export function testWithEngine(title: string, run: (t: ExecutionContext) => Promise<void>): void {
  test.serial(title, async (t) => {
    if (hasEngine) {
      await run(t)
    } else {
      t.log(`left out: there is no ${file}`)
      t.pass()
    }
  })
}
