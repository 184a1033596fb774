import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { UsageError } from '../lib/cli/errors/usage-error.js'
import { configure, defaults } from '../lib/cli/options/configuration.js'
import { readEnvironment } from '../lib/cli/options/environment.js'
import { parseCommandLine } from '../lib/cli/options/parse.js'
import { isBare, isSetting, OPTIONS, type OptionSpec, type OptionValues, variableOf } from '../lib/cli/options/table.js'
import { type OptionValue, readConfigured, readText } from '../lib/cli/options/value.js'
import { scratchFolder } from './helpers/scratch.js'

const settings = Object.entries(OPTIONS).filter(([, spec]) => isSetting(spec))

/** Texts that fit the form of one option and no other. */
const forms: Record<string, { good: string[]; bad: string[] }> = {
  'root-path': { good: ['', '/api', '/a/b'], bad: ['api', '/', '/api/', '/\n/'] },
  'health-path': { good: ['/', '/healthz'], bad: ['healthz', '/healthz?'] },
  'ready-path': { good: ['/', '/readyz'], bad: ['readyz'] },
  'forwarded-allow-ips': {
    good: ['', '*', '10.0.0.0/8', '::1, unix:'],
    bad: ['localhost', '10.0.0.0/33', '::1,fe80::/129', '1.2.3'],
  },
  header: {
    good: ['x-frame-options: deny', 'X:', 'a:b:c', 'x:\u00E9'],
    bad: ['x', ':x', 'Content-Length: 1', 'x y:z', 'x:\u20AC', 'x:y\r\nz:w', 'caf\u00E9:x'],
  },
}

function bounds({ type, least, most }: OptionSpec): [least: number, most: number] | undefined {
  switch (type) {
    case 'port':
      return [0, 65_535]
    case 'count':
      return [least ?? 1, most ?? 2 ** 31 - 1]
    case 'bytes':
      return [least ?? 0, most ?? Number.MAX_SAFE_INTEGER]
    case 'seconds':
      return [0, 2_147_483]
    default:
      return undefined
  }
}

/** Texts that an option does not take. */
function badTexts(name: string, spec: OptionSpec): string[] {
  const range = bounds(spec)
  if (range) {
    const around = [BigInt(range[0]) - 1n, BigInt(range[1]) + 1n].map(String)
    return [
      '',
      ' ',
      'many',
      '1e1',
      '0x10',
      '1,5',
      '+1',
      ...around,
      ...(spec.type === 'seconds' ? ['.5', '1.'] : ['1.5']),
    ]
  }
  if (spec.type === 'boolean') return ['', 'maybe', '2']
  if (spec.choices) return ['', 'neither', `${spec.choices[0]} `]
  return forms[name]?.bad ?? ['']
}

function throwsLine(t: ExecutionContext, run: () => unknown, beginning: string): void {
  const { message } = t.throws(run, { instanceOf: UsageError }) ?? { message: '' }
  t.true(message.startsWith(beginning), message)
  t.regex(message, /^.+, not .+\.$/)
}

for (const [name, spec] of settings) {
  test(`${name} refuses what it cannot be, wherever it is said`, (t) => {
    for (const text of isBare(spec) ? [] : badTexts(name, spec)) {
      throwsLine(t, () => parseCommandLine([`--${name}=${text}`]), `--${name} takes `)
    }
    for (const text of isBare(spec) ? ['maybe', '2'] : badTexts(name, spec)) {
      // An empty variable is none, and commas separate.
      if (text === '' || (spec.repeatable && text.includes(','))) continue
      const variable = variableOf(name)
      throwsLine(t, () => readEnvironment({ [variable]: text }), `The environment variable ${variable} takes `)
    }
    for (const value of badValues(name, spec)) {
      throwsLine(t, () => readConfigured('The key', spec, value), 'The key takes ')
    }
  })

  test(`${name} needs a value, or takes none`, (t) => {
    if (isBare(spec)) {
      t.throws(() => parseCommandLine([`--${name}=yes`]), { message: `--${name} takes no value.` })
      t.throws(() => parseCommandLine([`--no-${name}=yes`]), { message: `--no-${name} takes no value.` })
    } else {
      const message = new RegExp(`^--${name} needs a value: --${name} \\S+\\.$`)
      t.throws(() => parseCommandLine([`--${name}`]), { instanceOf: UsageError, message })
      t.throws(() => parseCommandLine([`--${name}`, '--factory']), { instanceOf: UsageError, message })
      t.throws(() => parseCommandLine([`--no-${name}`, 'x']), { instanceOf: UsageError })
    }
  })
}

test('every default is a value that the option takes', (t) => {
  for (const [name, spec] of settings) {
    if (spec.default !== undefined)
      t.deepEqual(readText(name, spec, spec.default), defaults()[name as keyof OptionValues])
  }
})

/** Values that an option does not take from a file. */
function badValues(name: string, spec: OptionSpec): unknown[] {
  const never = [null, Symbol('x'), { a: 1 }, () => 'x', NaN, Infinity, -Infinity, 10n, [5], [null], [['x']]]
  if (spec.repeatable) return [...never, 'x', true, ['a:b', ''], ['a:b', 'x\0']]
  const range = bounds(spec)
  if (range) {
    const fraction = spec.type === 'seconds' ? [] : [range[0] + 0.5]
    return [...never, '1', true, [1], range[0] - 1, range[1] + 1, ...fraction]
  }
  if (spec.type === 'switch' || spec.type === 'boolean') return [...never, 'true', 'on', 1, 0]
  const texts = badTexts(name, spec)
  return [...never, true, 'x\0', ...texts, ...(spec.choices ? [9] : [5])]
}

/** What an option may be, as a file would say it. */
function values(name: string, spec: OptionSpec): fc.Arbitrary<OptionValue> {
  const range = bounds(spec)
  if (range) {
    const [min, max] = range
    return spec.type === 'seconds'
      ? fc.double({ min, max, noNaN: true })
      : fc.maxSafeInteger().map((n) => Math.min(Math.max(n, min), max))
  }
  if (spec.type === 'switch' || spec.type === 'boolean') return fc.boolean()
  if (spec.choices) return fc.constantFrom(...spec.choices)
  const { good } = forms[name] ?? {}
  const text = good
    ? fc.constantFrom(...good)
    : fc.string({ unit: 'binary', minLength: 1 }).filter((one) => !one.includes('\0'))
  return spec.repeatable ? fc.array(text, { maxLength: 4 }) : text
}

/** The arguments that say it; seconds without an exponent. */
function toArguments(name: string, spec: OptionSpec, value: OptionValue): string[] {
  if (spec.type === 'switch') return [value === true ? `--${name}` : `--no-${name}`]
  if (typeof value === 'object') return value.map((text) => `--${name}=${text}`)
  return [`--${name}=${typeof value === 'number' ? value.toFixed(spec.type === 'seconds' ? 3 : 0) : value}`]
}

const anything = fc.record(
  Object.fromEntries(
    settings.filter(([name]) => name !== 'env-file').map(([name, spec]) => [name, values(name, spec)]),
  ),
  { requiredKeys: [] },
)

test('what the command line takes reaches another process as it is', async (t) => {
  const folder = await scratchFolder(t)
  const samples = fc.sample(anything, 40)
  const configurations = []
  for (const sample of samples) {
    const given = Object.entries(sample).filter(([, value]) => value !== undefined)
    const args = given.flatMap(([name, value]) => toArguments(name, OPTIONS[name]!, value!))
    const configuration = await configure(parseCommandLine(['main:app', ...args]), {}, folder)
    for (const [name, value] of given) {
      const shortened = OPTIONS[name]!.type === 'seconds' ? Number((value as number).toFixed(3)) : value
      t.deepEqual((configuration.options as Record<string, unknown>)[name], shortened, name)
    }
    configurations.push(configuration)
  }
  const json = JSON.stringify(configurations)
  const echoed = execFileSync(
    process.execPath,
    ['-e', 'process.stdout.write(JSON.stringify(JSON.parse(process.env.IT)))'],
    {
      env: { IT: json },
      maxBuffer: 2 ** 26,
      encoding: 'utf8',
    },
  )
  // Without a value and not there are the same.
  t.deepEqual(JSON.parse(echoed), JSON.parse(json))
  for (const [index, configuration] of (JSON.parse(echoed) as unknown[]).entries()) {
    t.like(configurations[index], configuration as object)
  }
})

test('what a file takes stays what it is, in JSON too', (t) => {
  for (const [name, spec] of settings) {
    fc.assert(
      fc.property(values(name, spec), (value) => {
        const taken = readConfigured('The key', spec, value)
        t.deepEqual(JSON.parse(JSON.stringify(taken)), taken)
        t.true(Object.is(taken, value) || typeof value === 'object' || (taken === 0 && value === 0), name)
      }),
      { numRuns: 30 },
    )
  }
})
