/** The state of functions. SQLite is Python's, which is a part of this process: there is nothing to install for it. */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Python } from '../amphis.js'
import type { FunctionRecord } from './types.js'

interface Tables {
  secret: (name: string, fresh: string) => Promise<string>
  functions: () => Promise<string[]>
  add: (record: string) => Promise<boolean>
  replace: (record: string) => Promise<boolean>
  remove: (id: string) => Promise<void>
}

interface Module {
  Store: (file: string) => Promise<Tables>
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

  static async open(
    file: string,
    options: { python?: string | undefined; loop?: 'auto' | 'uvloop' | 'asyncio' } = {},
  ): Promise<Store> {
    const python = new Python({ appDir: fileURLToPath(new URL('.', import.meta.url)), ...options })
    const module = await python.import<Module>('store')
    return new Store(python, await module.Store(file))
  }

  secret(name: string): Promise<string> {
    return this.#tables.secret(name, randomBytes(32).toString('base64url'))
  }

  async #read(): Promise<Map<string, FunctionRecord>> {
    const records = (await this.#tables.functions()).map((record) => JSON.parse(record) as FunctionRecord)
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
    const added = await this.#tables.add(JSON.stringify(record))
    this.#readAt = 0
    return added
  }

  async replace(record: FunctionRecord): Promise<boolean> {
    const replaced = await this.#tables.replace(JSON.stringify(record))
    this.#readAt = 0
    return replaced
  }

  async remove(id: string): Promise<void> {
    await this.#tables.remove(id)
    this.#readAt = 0
  }

  close(): Promise<void> {
    return this.#python.close()
  }
}
