import test from 'ava'
import { scratchFolder } from './helpers/scratch.js'

interface AptSources {
  mirrorOf(
    codename: string,
    folder: string,
  ): { readonly uri: string; readonly options: Readonly<Record<string, string>> } | undefined
}

// A script of the repository, in plain JavaScript.
const script = new URL('../scripts/lib/apt-sources.mjs', import.meta.url).href
const { mirrorOf } = (await import(script)) as AptSources

test('the mirror is that of the main archive, in files of fields', async (t) => {
  const folder = await scratchFolder(t, {
    'sources.list.d/a.sources': 'Types: deb\nURIs: http://vendor.test/apt\nSuites: stable-extra\nComponents: main\n',
    'sources.list.d/debian.sources': [
      'Types: deb',
      '# URIs: http://old.test/debian',
      'URIs: http://mirror.test/debian',
      '  http://second.test/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main contrib',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
      '',
      'Types: deb',
      'URIs: http://mirror.test/debian-security',
      'Suites: bookworm-security',
      'Components: main',
    ].join('\n'),
  })
  t.deepEqual(mirrorOf('bookworm', folder), {
    uri: 'http://mirror.test/debian',
    options: { 'Signed-By': '/usr/share/keyrings/debian-archive-keyring.gpg' },
  })
})

test('the mirror is that of the main archive, in lines', async (t) => {
  const folder = await scratchFolder(t, {
    'sources.list': [
      '# deb http://old.test/debian bookworm main',
      'deb-src http://sources.test/debian bookworm main',
      'deb http://security.test/debian bookworm-security main',
      'deb [arch=amd64 signed-by=/etc/apt/keyrings/Mirror.gpg trusted=yes] http://mirror.test/debian bookworm main',
    ].join('\n'),
  })
  t.deepEqual(mirrorOf('bookworm', folder), {
    uri: 'http://mirror.test/debian',
    options: { 'Signed-By': '/etc/apt/keyrings/Mirror.gpg', Trusted: 'yes' },
  })
})

test('an entry that is switched off, or a key that stands in it, is not taken over', async (t) => {
  const entry = (uri: string, more: string) =>
    `Types: deb\nURIs: ${uri}\nSuites: sid\nComponents: main\n${more}Signed-By:\n -----BEGIN PGP-----\n .\n abc\n`
  const folder = await scratchFolder(t, {
    'sources.list.d/debian.sources': `${entry('http://off.test/debian', 'Enabled: no\n')}\n${entry('http://on.test/debian', '')}`,
    'sources.list.d/old.sources.disabled': entry('http://disabled.test/debian', ''),
  })
  t.deepEqual(mirrorOf('forky', folder), { uri: 'http://on.test/debian', options: {} })
})

test('without an entry of the release there is no mirror', async (t) => {
  const folder = await scratchFolder(t, { 'sources.list': 'deb http://vendor.test/apt nodistro main\n' })
  t.is(mirrorOf('bookworm', folder), undefined)
  t.is(mirrorOf('bookworm', `${folder}/none`), undefined)
})
