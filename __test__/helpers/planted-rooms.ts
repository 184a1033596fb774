import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { scratchFolder } from './scratch.js'

const inRoot = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export type HouseName = 'lib' | 'src'

interface Pair {
  files: [string, string]
  why: string
}

/** What the scripts know of rooms; they are JavaScript. */
interface RoomRules {
  arrowProblem(house: HouseName, from: string, to: string): string | undefined
  tableProblems(house: HouseName, files: readonly string[]): string[]
  Acquaintances: new (
    house: HouseName,
    pairs?: readonly Pair[],
  ) => { add(file: string, known: readonly string[]): string | undefined }
}

interface RoomFiles {
  filesOf(house: HouseName): string[]
  roomProblems(): string[]
}

interface RustRooms {
  rustRoomProblems(sources?: ReadonlyMap<string, string>): string[]
}

export const rules = (await import(inRoot('scripts/lib/room-rules.mjs'))) as RoomRules
export const folders = (await import(inRoot('scripts/lib/room-files.mjs'))) as RoomFiles

export const rust = (await import(inRoot('scripts/lib/rust-rooms.mjs'))) as RustRooms

/** What oxlint, as it is set up here, says of rooms in a tree of files; it has to fail where it says anything. */
export async function lintRooms(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string[]> {
  const folder = await scratchFolder(t, files)
  const config = await readFile(inRoot('.oxlintrc.json'), 'utf8')
  const planted = config
    .replace('"./scripts/lint/rooms.mjs"', JSON.stringify(inRoot('scripts/lint/rooms.mjs')))
    .replace('"typeAware": true', '"typeAware": false')
  await writeFile(join(folder, '.oxlintrc.json'), planted)
  const { code, stdout } = await oxlint(folder)
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; message: string }[] }
  const said = diagnostics.filter((each) => each.code === 'rooms(order)').map(({ message }) => message)
  t.is(code === 0, diagnostics.length === 0, stdout)
  return said.toSorted()
}

async function oxlint(cwd: string): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [inRoot('node_modules/oxlint/bin/oxlint'), '--deny-warnings', '--format=json'],
      { cwd, env: { ...process.env, NODE_OPTIONS: '' } },
      (_error, stdout) => resolve({ code: child.exitCode ?? 1, stdout }),
    )
  })
}
