/** Streams of Docker's: the two outputs of a container in one, and the messages of a build. */
import { pack } from 'tar-stream'
import { ProblemError } from './problem.js'

/** The pieces of a stream of a container without a terminal: a head of eight bytes before each. */
export async function* pieces(
  stream: AsyncIterable<Buffer>,
): AsyncGenerator<{ stream: 'stdout' | 'stderr'; data: Buffer }> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    while (rest.length >= 8) {
      const end = 8 + rest.readUInt32BE(4)
      if (rest.length < end) break
      yield { stream: rest[0] === 2 ? 'stderr' : 'stdout', data: rest.subarray(8, end) }
      rest = rest.subarray(end)
    }
  }
}

export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const rest = { stdout: '', stderr: '' }
  for await (const { stream: name, data } of pieces(stream)) {
    const lines = (rest[name] + data.toString()).split('\n')
    rest[name] = lines.pop() ?? ''
    yield* lines
  }
  yield* [rest.stdout, rest.stderr].filter(Boolean)
}

/** Reads the messages of a build to their end; its error is a problem with all that was said. */
export async function followBuild(stream: AsyncIterable<Buffer>, progress: (line: string) => void): Promise<void> {
  const said: string[] = []
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines.filter(Boolean)) {
      const { stream: text = '', error } = JSON.parse(line) as { stream?: string; error?: string }
      if (text.trim()) {
        said.push(text.trimEnd())
        progress(text.trimEnd())
      }
      if (error)
        throw new ProblemError(422, 'build', `the image was not built: ${error}`, {
          log: said.join('\n').slice(-20_000),
        })
    }
  }
}

/** A tar of these files, below a folder. */
export async function tarOf(files: Iterable<[string, Uint8Array | string]>, folder = ''): Promise<Buffer> {
  const tar = pack()
  const chunks: Buffer[] = []
  const read = (async () => {
    for await (const chunk of tar) chunks.push(chunk as Buffer)
  })()
  for (const [path, bytes] of files) tar.entry({ name: folder + path, mode: 0o644 }, Buffer.from(bytes))
  tar.finalize()
  await read
  return Buffer.concat(chunks)
}
