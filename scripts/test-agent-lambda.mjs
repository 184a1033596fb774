// npm run test:agent-lambda [-- FILTER …]: the tests of examples/agent-lambda: the service with the real agent SDK before a
// stand-in of the Messages API, S3 of moto's, and the infrastructure with Pulumi's mocks. Filters are Playwright's. With
// `--s3 versitygw` the service keeps its sessions in an S3 that checks signatures. With `--image` the image is built, and the
// tests that any deployment passes run against containers of it; with LAMBDA_API_URL against that one.
import { join } from 'node:path'
import { infraPackages, setUpAgentLambda } from './lib/agent-lambda.mjs'
import { avaArguments } from './lib/checks.mjs'
import { containersForTests } from './lib/containers.mjs'
import { buildAgentLambdaImage } from './lib/lambda-image.mjs'
import { runtimeClientStep } from './lib/lambda-parts.mjs'
import { inRoot } from './lib/paths.mjs'
import { main, Problem } from './lib/problem.mjs'
import { closingLine, runAll, summarise } from './lib/report.mjs'
import { run } from './lib/run.mjs'
import { say } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'
import { avaTotals, playwrightTotals } from './lib/test-totals.mjs'
import { versityGateway } from './lib/versity-gateway.mjs'

const folder = 'examples/agent-lambda'
const infra = inRoot(folder, 'lambda/infra')

await main(async () => {
  const filters = process.argv.slice(2)
  const at = filters.indexOf('--s3')
  const [, s3 = 'moto'] = at === -1 ? [] : filters.splice(at, 2)
  const isImage = filters.includes('--image')
  if (isImage) filters.splice(filters.indexOf('--image'), 1, '--project', 'api')
  if (!['moto', 'versitygw'].includes(s3))
    throw new Problem(`there is no S3 ${s3}`, 'choose --s3 moto or --s3 versitygw')
  await setUp()
  await setUpAgentLambda()
  await complete([infraPackages])
  /** @type {NodeJS.ProcessEnv} */
  const env = s3 === 'versitygw' ? { AGENT_S3: s3, VERSITYGW: await versityGateway() } : {}
  const engine = isImage ? await containersForTests(say) : undefined
  if (isImage && engine === undefined) return 0
  if (engine !== undefined) {
    await complete([runtimeClientStep])
    Object.assign(env, engine.env, { AGENT_IMAGE: await buildAgentLambdaImage(engine, inRoot(folder, '.venv')) })
  }
  const isWhole = filters.length === 0 && !process.env.LAMBDA_API_URL
  const outcomes = await runAll([
    ...(isWhole
      ? [
          { name: 'tsc, infrastructure', run: () => run(join(infra, 'node_modules/.bin/tsc'), ['-p', infra]) },
          { name: 'tsc, tests', run: () => run(inRoot('node_modules/.bin/tsc'), ['--noEmit', '-p', inRoot(folder)]) },
          {
            name: 'infrastructure',
            run: () => run(process.execPath, avaArguments(['--config', 'ava.agent-lambda.config.mjs'])),
            totals: avaTotals,
          },
        ]
      : []),
    {
      name: 'service',
      run: () =>
        run(inRoot(folder, 'node_modules/.bin/playwright'), ['test', ...filters], { cwd: inRoot(folder), env }),
      totals: playwrightTotals,
    },
  ])
  engine?.release()
  summarise(outcomes)
  say(`\n${closingLine(outcomes)}`)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
