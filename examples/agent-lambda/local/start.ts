// npm start: the whole service on this machine, until Ctrl+C. With ANTHROPIC_API_KEY the agent is the real one; without it a
// stand-in answers.
import { KEY, Service } from './service.js'

const isReal = Boolean(process.env['ANTHROPIC_API_KEY'])
const { AGENT_TOOLS } = process.env
const service = await Service.start({ isReal, env: { AGENT_TOOLS } })
console.log(`
  S3         ${service.s3.url}
  Messages   ${isReal ? 'api.anthropic.com' : `${service.api.url}, a stand-in`}
  Buffered   LAMBDA_API_URL=${service.buffered.url}
  Streamed   LAMBDA_STREAM_URL=${service.streamed.url}
  Key        LAMBDA_API_KEY=${KEY}

  curl ${service.streamed.url}/claude-code -H 'x-api-key: ${KEY}' -H 'content-type: application/json' -d '{"prompt":"Hello"}'

  Ctrl+C stops it.`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => service.close())
