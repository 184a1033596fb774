// The function whose answers come as a whole: for an HTTP API, which waits 30 seconds at most.
import { lambda } from 'amphis/aws-lambda'
import { app } from './app.js'

export const handler = lambda(app)
await handler.ready()
