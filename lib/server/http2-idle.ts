import type { Http2Session, Http2Stream } from 'node:http2'

/** Ends a session of HTTP/2 that has had no stream for so long, as HTTP/1.1 ends a connection that is kept alive. */
export function closeWhenIdle(session: Http2Session, milliseconds: number): void {
  if (milliseconds === 0) {
    return
  }
  let streams = 0
  session.on('stream', (stream: Http2Stream) => {
    streams += 1
    stream.on('close', () => {
      streams -= 1
    })
  })
  // Counts from the last thing that was read or written, again and again.
  session.setTimeout(milliseconds)
  session.on('timeout', () => {
    if (streams === 0) {
      session.close()
    }
  })
}
