import test from 'ava'

// `npm run pack:into`: what package.json names afterwards.

/** The scripts are JavaScript, which the compiler of the tests does not read. */
const vendored: unknown = await import(new URL('../scripts/lib/vendored.mjs', import.meta.url).href)
const { withVendored } = vendored as {
  withVendored(dependencies: Record<string, string>, tarballs: string[]): Record<string, string>
}

const OWN = ['amphis-0.1.0.tgz', 'amphis-linux-x64-gnu-0.1.0.tgz']

test('a folder names the packages that it carries, beside its own', (t) => {
  t.deepEqual(withVendored({ next: '16.0.0' }, OWN), {
    next: '16.0.0',
    amphis: 'file:vendor/amphis-0.1.0.tgz',
    'amphis-linux-x64-gnu': 'file:vendor/amphis-linux-x64-gnu-0.1.0.tgz',
  })
})

test('it names none that it carried for another platform, and changes nothing where it is the same', (t) => {
  const there = withVendored({ next: '16.0.0' }, OWN)
  t.is(JSON.stringify(withVendored(there, OWN)), JSON.stringify(there))
  t.deepEqual(Object.keys(withVendored(there, ['amphis-0.2.0.tgz', 'amphis-darwin-arm64-0.2.0.tgz'])), [
    'next',
    'amphis',
    'amphis-darwin-arm64',
  ])
})
