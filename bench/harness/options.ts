import { parseArgs } from 'node:util'

export interface Options {
  /** Some figures and fewer rounds: shows the order of things, not their third digit. */
  readonly quick: boolean
  /** Names of the figures to take; empty for all. */
  readonly only: readonly string[]
  /** Names of the contestants to keep; empty for all. */
  readonly contestants: readonly string[]
  /** Where to write the JSON, if anywhere. */
  readonly json: string | undefined
  /** Keep JSON, Markdown and charts in `bench/results/`. */
  readonly save: boolean
  /** The interpreter every Python here runs on; `python3` on PATH unless given. */
  readonly python: string | undefined
  /** Which tool makes the load; `wrk` where it is installed unless given. */
  readonly load: 'wrk' | 'autocannon' | undefined
  /** Rounds of a throughput figure: each gives every contestant one slice. */
  readonly rounds: number
  /** Seconds each contestant is loaded before its first counted slice. */
  readonly warmUp: number
  readonly list: boolean
  readonly help: boolean
}

export const usage = `Usage: npm run bench -- [options]

  --quick               some figures, contestants and rounds: under two minutes
  --only <name>         one figure; may be repeated (--list shows the names)
  --contestant <name>   keep only this contestant; may be repeated
  --rounds <n>          rounds of a throughput figure (default 11, quick 3)
  --json <file>         write everything measured as JSON
  --save                keep JSON, Markdown and charts in bench/results/
  --python <path>       interpreter for everything Python (default python3)
  --load <tool>         wrk or autocannon (default wrk where installed)
  --list                names of the figures and contestants
  --help                this text
`

/** Reads the command line; throws a `TypeError` with a sentence for the user when it makes no sense. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      contestant: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      json: { type: 'string' },
      save: { type: 'boolean', default: false },
      python: { type: 'string' },
      load: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const rounds = values.rounds === undefined ? (values.quick ? 3 : 11) : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new TypeError(`--rounds takes a whole number from 1, not "${values.rounds}".`)
  }
  if (values.load !== undefined && values.load !== 'wrk' && values.load !== 'autocannon') {
    throw new TypeError(`--load takes wrk or autocannon, not "${values.load}".`)
  }
  return {
    quick: values.quick,
    only: values.only,
    contestants: values.contestant,
    json: values.json,
    save: values.save,
    python: values.python,
    load: values.load,
    rounds,
    warmUp: values.quick ? 1 : 3,
    list: values.list,
    help: values.help,
  }
}
