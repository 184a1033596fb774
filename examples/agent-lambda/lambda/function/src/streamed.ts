// The function that streams: for a Function URL, which waits as long as the function may take.
import { lambda } from 'amphis/aws-lambda'
import { app } from './app.js'

export const handler = lambda.stream(app)
await handler.ready()
