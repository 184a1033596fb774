import test from 'ava'
import { folders, lintRooms, rules, rust } from './helpers/planted-rooms.js'

/** A file that others may want to know. */
const KNOWN = 'export interface Thing {\n  name: string\n}\n\nexport const thing: Thing = { name: "thing" }\n'

/** Every way in which a file can know another. */
const WAYS: Readonly<Record<string, string>> = {
  'import.ts': "import { thing } from '../http/known.js'\nexport const mine = thing\n",
  'import-for-effects.ts': "import '../http/known.js'\n",
  'import-of-type.ts': "import type { Thing } from '../http/known.js'\nexport type Mine = Thing\n",
  'import-in-type.ts': "export type Mine = import('../http/known.js').Thing\n",
  'import-in-type-of-module.ts': "export type Mine = typeof import('../http/known.js')\n",
  'import-at-run-time.ts': "export const mine = async () => import('../http/known.js')\n",
  'import-at-run-time-by-template.ts': 'export const mine = async () => import(`../http/known.js`)\n',
  're-export.ts': "export { thing } from '../http/known.js'\n",
  're-export-of-all.ts': "export * from '../http/known.js'\n",
  're-export-of-type.ts': "export type { Thing } from '../http/known.js'\n",
}

// One after another: each runs oxlint, which takes every processor.

test.serial('the lint names each arrow that runs up, in whatever way a file knows another', async (t) => {
  const files = Object.entries(WAYS).map(([name, text]) => [`lib/bridge/${name}`, text] as const)
  const said = await lintRooms(t, { ...Object.fromEntries(files), 'lib/http/known.ts': KNOWN })
  t.deepEqual(
    said,
    Object.keys(WAYS)
      .map(
        (name) =>
          `lib/bridge/${name} may not know lib/http/known.ts, not even a type of it: bridge stands below http ` +
          '(scripts/lib/rooms.mjs). Move what both need to bridge or further down, or have http hand it over.',
      )
      .toSorted(),
  )
})

test.serial('the lint names an arrow to the public face by the name of the package', async (t) => {
  const said = await lintRooms(t, {
    'lib/bridge/knowing.ts': "import { AmphisError } from 'amphis'\nexport const mine = AmphisError\n",
  })
  t.is(said.length, 1)
  t.regex(said[0]!, /^lib\/bridge\/knowing\.ts may not know lib\/index\.ts, .* bridge stands below index /)
})

test.serial('the lint names an arrow between neighbours', async (t) => {
  const said = await lintRooms(t, {
    'lib/handle/knowing.ts': "import type { Thing } from '../http/known.js'\nexport type Mine = Thing\n",
    'lib/http/known.ts': KNOWN,
  })
  t.is(said.length, 1)
  t.regex(
    said[0]!,
    /^lib\/handle\/knowing\.ts may not know lib\/http\/known\.ts, .*: handle and http stand on one line /,
  )
})

test.serial('the lint names an arrow from a folder to the one that it is in', async (t) => {
  const said = await lintRooms(t, {
    'lib/cli/options/knowing.ts': "import { thing } from '../known.js'\nexport const mine = thing\n",
    'lib/cli/known.ts': KNOWN,
  })
  t.is(said.length, 1)
  t.regex(
    said[0]!,
    /^lib\/cli\/options\/knowing\.ts may not know lib\/cli\/known\.ts, .* cli\/options stands below cli /,
  )
})

test.serial('the lint lets a file know what is in its room and below', async (t) => {
  const said = await lintRooms(t, {
    'lib/http/knowing.ts': [
      "import { EventEmitter } from 'node:events'",
      "import type * as Native from '../../binding.cjs'",
      "import { thing } from '../bridge/known.js'",
      "import { thing as other } from './known.js'",
      'export const all: unknown[] = [EventEmitter, thing, other]',
      'export type Binding = typeof Native',
      '',
    ].join('\n'),
    'lib/http/known.ts': KNOWN,
    'lib/bridge/known.ts': KNOWN,
  })
  t.deepEqual(said, [])
})

test.serial('the lint takes neither a comment nor a text for an import', async (t) => {
  const text = [
    "// import { thing } from '../http/known.js'",
    "/** import('../http/known.js') */",
    'export const mine = "import { thing } from \'../http/known.js\'"',
    '',
  ]
  t.deepEqual(await lintRooms(t, { 'lib/bridge/knowing.ts': text.join('\n'), 'lib/http/known.ts': KNOWN }), [])
})

test.serial('the lint names a circle within a room, also of types', async (t) => {
  const said = await lintRooms(t, {
    'lib/http/a.ts': "import type { B } from './b.js'\nexport interface A {\n  b: B\n}\n",
    'lib/http/b.ts': "export type { C as B } from './c.js'\n",
    'lib/http/c.ts': "export const a = async () => import('./a.js')\nexport interface C {\n  c: string\n}\n",
    'lib/http/d.ts': "import type { A } from './a.js'\nexport type D = A\n",
  })
  t.is(said.length, 1)
  // Whichever of the three oxlint comes to last.
  t.regex(
    said[0]!,
    /^lib\/http\/[abc]\.ts knows (?:lib\/http\/[abc]\.ts, which knows ){2}lib\/http\/[abc]\.ts: a circle\. /,
  )
})

test('a pair of the table may know each other, and nobody in between', (t) => {
  const pair = { files: ['http/a.ts', 'http/b.ts'] as [string, string], why: 'one machine' }
  const alone = new rules.Acquaintances('lib', [pair])
  t.is(alone.add('http/a.ts', ['http/b.ts']), undefined)
  t.is(alone.add('http/b.ts', ['http/a.ts']), undefined)
  const withThird = new rules.Acquaintances('lib', [pair])
  t.is(withThird.add('http/a.ts', ['http/b.ts', 'http/c.ts']), undefined)
  t.is(withThird.add('http/b.ts', ['http/a.ts']), undefined)
  t.regex(
    withThird.add('http/c.ts', ['http/b.ts']) ?? '',
    /^lib\/http\/c\.ts knows lib\/http\/b\.ts, which knows .*: a circle/,
  )
})

test('the table of rooms and the folders are of one mind', (t) => {
  t.deepEqual(folders.roomProblems(), [])
})

test('a file without a room, and a room without a file, are named', (t) => {
  const files = folders.filesOf('lib')
  t.deepEqual(rules.tableProblems('lib', [...files, 'attic/box.ts', 'http/attic/box.ts', 'box.ts']), [
    'lib/attic/box.ts is in no room of scripts/lib/rooms.mjs. Give attic a line there, or move the file.',
    'lib/http/attic/box.ts is in no room of scripts/lib/rooms.mjs. Give http/attic a line there, or move the file.',
    'lib/box.ts is in no room of scripts/lib/rooms.mjs. Give box a line there, or move the file.',
  ])
  t.deepEqual(
    rules.tableProblems(
      'lib',
      files.filter((file) => !file.startsWith('tls/')),
    ),
    ['scripts/lib/rooms.mjs has lib/tls, but nobody lives there. Take it out.'],
  )
})

/** A crate with some files; the others that the paths need are empty. */
const crate = (files: Readonly<Record<string, string>>) =>
  rust.rustRoomProblems(
    new Map(
      Object.entries({ 'asgi/scope.rs': '', 'bridge/mod.rs': '', 'run/mod.rs': '', 'run/exit.rs': '', ...files }),
    ),
  )

for (const [way, text] of Object.entries({
  'by use': 'use crate::asgi::scope;',
  'by use of an item': 'use crate::asgi::scope::{self, Scope as Other};',
  'within a tree': 'use crate::{base::lock, asgi::{scope::Scope, response}};',
  'by a path': 'fn look() -> usize { crate::asgi::scope::LENGTH }',
  'by its parents': 'use super::super::asgi::scope;',
  'within a module of the file': 'mod inner { use super::super::super::asgi::scope; }',
  're-exported': 'pub use crate::asgi::scope::Scope;',
})) {
  test(`the lint names an arrow of Rust that runs up: ${way}`, (t) => {
    const said = crate({ 'bridge/inbox.rs': text })
    t.is(said.length, 1, said.join('\n'))
    t.regex(said[0]!, /^src\/bridge\/inbox\.rs may not know src\/asgi\/scope\.rs, .*: bridge stands below asgi /)
  })
}

test('the lint names an arrow of Rust between neighbours', (t) => {
  const [said] = crate({ 'lifecycle/start.rs': 'use crate::run::exit;' })
  t.regex(said!, /^src\/lifecycle\/start\.rs may not know src\/run\/exit\.rs, .*: lifecycle and run stand on one line /)
})

test('the lint names a circle of Rust within a room', (t) => {
  const said = crate({
    'bridge/a.rs': 'use super::b;',
    'bridge/b.rs': 'fn c() { super::c::d() }',
    'bridge/c.rs': 'use crate::bridge::a::Thing;',
  })
  t.is(said.length, 1)
  t.regex(said[0]!, /^src\/bridge\/[abc]\.rs knows (?:src\/bridge\/[abc]\.rs, which knows ){2}.*: a circle\. /)
})

test('the lint lets a file of Rust know what is in its room and below, and its door declare what is behind it', (t) => {
  const said = crate({
    'lib.rs': 'mod asgi; mod bridge;',
    'asgi/mod.rs': 'pub mod scope; pub mod head;',
    'asgi/head.rs': 'use super::scope; use crate::bridge::{self, inbox}; use std::sync::Arc;',
    'bridge/inbox.rs': 'mod tests { use super::*; }',
  })
  t.deepEqual(said, [])
})

test('the lint takes neither a comment nor a literal of Rust for an arrow', (t) => {
  const text = [
    '//! As `use crate::asgi::scope;` has it.',
    '/* use crate::asgi::scope; */',
    'const A: &str = "use crate::asgi::scope;";',
    "const B: char = '\"';",
    'const C: &str = r#"a " use crate::asgi::scope; "#;',
    "fn d<'a>(e: &'a str) -> &'a str { e }",
  ]
  t.deepEqual(crate({ 'bridge/inbox.rs': text.join('\n') }), [])
})

test('nobody in src/ knows who stands above', (t) => {
  t.deepEqual(rust.rustRoomProblems(), [])
})
