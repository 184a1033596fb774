import { lambda } from '../../dist/aws-lambda.js'

const { BENCH_APP_DIR: appDir, BENCH_PYTHON: python } = process.env

export const handler = lambda('main:app', { appDir, python })

// In the init, as a function does.
await handler.ready()
