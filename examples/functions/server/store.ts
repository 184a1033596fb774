/** The state of functions, in SQLite or PostgreSQL: both by Python, which is a part of this process. */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Python, PythonError } from '../amphis.js'
import { ProblemError } from './problem.js'
import type { FunctionRecord } from './types.js'

interface Tables {
  secret: (name: string, fresh: string) => Promise<string>
  functions: () => Promise<string[]>
  add: (record: string) => Promise<boolean>
  replace: (record: string) => Promise<boolean>
  remove: (id: string) => Promise<void>
  close: () => Promise<void>
}

interface Module {
  Store: (place: string) => Promise<Tables>
}

/** What Python says, in the service's words where it is the database that does not answer. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof PythonError && error.type.endsWith('Unavailable'))
      throw new ProblemError(503, 'no-database', error.message)
    throw error
  }
}

/** Milliseconds after which what other servers have changed is seen. */
const FRESH = 1_000

export class Store {
  readonly #python: Python
  readonly #tables: Tables
  #records = new Map<string, FunctionRecord>()
  #readAt = 0

  private constructor(python: Python, tables: Tables) {
    this.#python = python
    this.#tables = tables
  }

  /** @param place a file of SQLite's, or `postgresql://…`, which needs `psycopg[binary,pool]` in Python */
  static async open(
    place: string,
    options: { python?: string | undefined; loop?: 'auto' | 'uvloop' | 'asyncio' } = {},
  ): Promise<Store> {
    const python = new Python({ appDir: fileURLToPath(new URL('.', import.meta.url)), ...options })
    try {
      const module = await python.import<Module>('store')
      return new Store(python, await asked(module.Store(place)))
    } catch (error) {
      await python.close()
      if (error instanceof PythonError && error.type === 'RuntimeError')
        throw new Error(error.message, { cause: error })
      throw error
    }
  }

  secret(name: string): Promise<string> {
    return asked(this.#tables.secret(name, randomBytes(32).toString('base64url')))
  }

  async #read(): Promise<Map<string, FunctionRecord>> {
    const records = (await asked(this.#tables.functions())).map((record) => JSON.parse(record) as FunctionRecord)
    this.#readAt = Date.now()
    this.#records = new Map(records.map((record) => [record.id, record]))
    return this.#records
  }

  async all(): Promise<FunctionRecord[]> {
    return [...(await this.#read()).values()]
  }

  /** By id or name. */
  async find(which: string): Promise<FunctionRecord | undefined> {
    const among = (records: Map<string, FunctionRecord>) =>
      records.get(which) ?? [...records.values()].find(({ name }) => name === which)
    const known = Date.now() - this.#readAt < FRESH ? among(this.#records) : undefined
    return known ?? among(await this.#read())
  }

  async add(record: FunctionRecord): Promise<boolean> {
    const added = await asked(this.#tables.add(JSON.stringify(record)))
    this.#readAt = 0
    return added
  }

  async replace(record: FunctionRecord): Promise<boolean> {
    const replaced = await asked(this.#tables.replace(JSON.stringify(record)))
    this.#readAt = 0
    return replaced
  }

  async remove(id: string): Promise<void> {
    await asked(this.#tables.remove(id))
    this.#readAt = 0
  }

  async close(): Promise<void> {
    await this.#tables.close()
    await this.#python.close()
  }
}
