import { lambda } from 'amphis/aws-lambda'

// Streams: the function is to have a Function URL with RESPONSE_STREAM. `lambda('main:app', …)` answers as a whole, for an
// HTTP API or a load balancer.
export const handler = lambda.stream('main:app', {
  appDir: new URL('app', import.meta.url).pathname,
  events: 'jobs:handler',
})

// In Lambda's init: its time is no caller's, and only there can Lambda be asked to tell of the end.
await handler.ready()
