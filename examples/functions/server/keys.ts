/** Who may use the service: whoever has one of its keys. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'

const digest = (text: string) => createHash('sha256').update(text).digest()

export class Keys {
  readonly #digests: Buffer[]

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest)
  }

  has(key: string): boolean {
    const given = digest(key)
    // All of them are looked at: how long it takes tells nothing.
    return this.#digests.filter((one) => timingSafeEqual(one, given)).length > 0
  }
}

/** The key of a service that was given none: made once, for the user of this machine that the file belongs to. */
export async function localKey(file: string): Promise<string> {
  try {
    await writeFile(file, `${randomBytes(24).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return (await readFile(file, 'utf8')).trim()
}
