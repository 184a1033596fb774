import test from 'ava'
import { REQUIRED, stackOf, type Stack } from './mocks'

// What `pulumi up` would make. Stacks share Pulumi's state: one after another.

let stack: Stack
test.before(async () => {
  stack = await stackOf()
})

interface Statement {
  Effect: string
  Action: string[]
  Resource: string[]
}
const statementsOf = (policy: string) => (JSON.parse(policy) as { Statement: Statement[] }).Statement

const functions = ['claude-code-lambda', 'claude-code-lambda-stream']

test.serial('the bucket has versions, is encrypted, and is nobody else’s', (t) => {
  t.is(stack.of('aws:s3/bucket:Bucket').bucket, 'claude-code-sessions')
  t.deepEqual(stack.of('aws:s3/bucketVersioning:BucketVersioning').versioningConfiguration, { status: 'Enabled' })
  const { bucket: _, ...blocked } = stack.of('aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock')
  t.deepEqual(blocked, {
    blockPublicAcls: true,
    blockPublicPolicy: true,
    ignorePublicAcls: true,
    restrictPublicBuckets: true,
  })
  const encryption = stack.of('aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration')
  t.is(encryption.rules[0].applyServerSideEncryptionByDefault.sseAlgorithm, 'AES256')
  const [onlyOverTls] = statementsOf(stack.of('aws:s3/bucketPolicy:BucketPolicy').policy)
  t.like(onlyOverTls, { Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })
})

test.serial('leases go after a day, earlier versions of sessions after 30', (t) => {
  const { rules } = stack.of('aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration')
  t.deepEqual(
    rules.map((rule: any) => [rule.filter.prefix, rule.noncurrentVersionExpiration.noncurrentDays, rule.status]),
    [
      ['session-', 30, 'Enabled'],
      ['leases/', 1, 'Enabled'],
    ],
  )
  // Sessions themselves stay.
  t.true(rules.every((rule: any) => rule.expiration?.days === undefined))
})

test.serial('both functions are one image by its digest, with a handler each, 5 minutes and 2 GB', (t) => {
  const made = stack.made.filter(({ type }) => type === 'aws:lambda/function:Function')
  t.deepEqual(made.map(({ inputs }) => String(inputs['name'])).toSorted(), functions)
  for (const { inputs } of made) {
    t.like(inputs, {
      packageType: 'Image',
      imageUri: 'registry.example/agent@sha256:0',
      timeout: 300,
      memorySize: 2048,
    })
    t.is(inputs.environment.variables.S3_BUCKET_NAME, 'claude-code-sessions')
  }
  const commandOf = (name: string | undefined) => stack.of('aws:lambda/function:Function', name).imageConfig.commands
  t.deepEqual(commandOf(functions[0]), ['dist/buffered.handler'])
  t.deepEqual(commandOf(functions[1]), ['dist/streamed.handler'])
})

test.serial('the image goes to ECR in the form that Lambda takes', (t) => {
  const image = stack.of('docker-build:index:Image')
  t.deepEqual(image.platforms, ['linux/amd64'])
  t.deepEqual(image.tags, ['registry.example/agent:latest'])
  t.deepEqual(image.exports, [{ registry: { ociMediaTypes: false } }])
  t.is(stack.made.filter(({ type }) => type === 'aws:ecr/repository:Repository').length, 1)
})

test.serial('secrets are a secret of Secrets Manager’s, and stand nowhere else', (t) => {
  const { secretString } = stack.of('aws:secretsmanager/secretVersion:SecretVersion')
  // Marked as a secret for Pulumi's state.
  t.is(secretString['4dabf18193072939515e22adb298388d'], '1b47061264138c4ac30d75fd1eb44270')
  t.deepEqual(JSON.parse(secretString.value), {
    ANTHROPIC_API_KEY: REQUIRED.anthropic_api_key,
    API_KEYS: REQUIRED.api_keys,
    SUPABASE_SERVICE_ROLE_KEY: REQUIRED.supabase_service_role_key,
  })
  const others = JSON.stringify(stack.made.filter(({ type }) => !type.includes('secretVersion')))
  for (const value of Object.values(REQUIRED)) t.false(others.includes(value))
  t.is(
    stack.of('aws:lambda/function:Function', functions[0]).environment.variables.SECRETS_ID,
    'arn:aws:secretsmanager:::claude-code-lambda',
  )
})

for (const name of functions) {
  test.serial(`the role of ${name} may do what the function does, and no more`, (t) => {
    const { policy } = stack.of('aws:iam/rolePolicy:RolePolicy', name)
    t.deepEqual(
      statementsOf(policy).map(({ Effect, Action, Resource }) => [Effect, Action.join(' '), Resource.join(' ')]),
      [
        ['Allow', 's3:GetObject s3:PutObject', 'arn:aws:s3:::claude-code-sessions/session-*.zip'],
        ['Allow', 's3:GetObject s3:PutObject', 'arn:aws:s3:::claude-code-sessions/leases/session-*'],
        ['Allow', 's3:ListBucket', 'arn:aws:s3:::claude-code-sessions'],
        ['Allow', 'secretsmanager:GetSecretValue', 'arn:aws:secretsmanager:::claude-code-lambda'],
        ['Allow', 'logs:CreateLogStream logs:PutLogEvents', `arn:aws:cloudwatch:::/aws/lambda/${name}:*`],
      ],
    )
    t.is(stack.of('aws:lambda/function:Function', name).role, `arn:aws:iam:::${name}`)
    t.is(stack.of('aws:cloudwatch/logGroup:LogGroup', name).retentionInDays, 30)
  })
}

test.serial('the HTTP API has its routes and no others, and waits as long as it can', (t) => {
  const routes = stack.made.filter(({ type }) => type === 'aws:apigatewayv2/route:Route').map(({ inputs }) => inputs)
  t.deepEqual(routes.map(({ routeKey, authorizationType }) => `${routeKey} ${authorizationType}`).toSorted(), [
    'GET /health NONE',
    'OPTIONS /claude-code NONE',
    'POST /claude-code NONE',
  ])
  t.like(stack.of('aws:apigatewayv2/integration:Integration'), {
    integrationType: 'AWS_PROXY',
    integrationUri: 'arn:invoke:claude-code-lambda',
    payloadFormatVersion: '2.0',
    timeoutMilliseconds: 30_000,
  })
  t.like(stack.of('aws:lambda/permission:Permission', 'api'), {
    action: 'lambda:InvokeFunction',
    function: 'claude-code-lambda',
    principal: 'apigateway.amazonaws.com',
  })
})

test.serial('the Function URL streams; whoever has a key gets in', (t) => {
  const url = stack.of('aws:lambda/functionUrl:FunctionUrl')
  t.like(url, { functionName: 'claude-code-lambda-stream', invokeMode: 'RESPONSE_STREAM', authorizationType: 'NONE' })
  t.is(stack.of('aws:lambda/permission:Permission', 'stream-url').action, 'lambda:InvokeFunctionUrl')
  t.like(stack.of('aws:lambda/permission:Permission', 'stream-function'), {
    action: 'lambda:InvokeFunction',
    invokedViaFunctionUrl: true,
  })
  t.deepEqual(stack.outputs, {
    apiUrl: 'https://api.example',
    streamUrl: 'https://stream.example/',
    bucketName: 'claude-code-sessions',
  })
})

test.serial('by IAM both URLs ask for a signature, and nobody is let in by name', async (t) => {
  const iam = await stackOf({ anthropic_api_key: 'sk', access: 'iam' })
  t.is(iam.of('aws:lambda/functionUrl:FunctionUrl').authorizationType, 'AWS_IAM')
  t.is(iam.of('aws:apigatewayv2/route:Route', 'ask').authorizationType, 'AWS_IAM')
  t.false(iam.made.some(({ inputs }) => inputs.principal === '*'))
  t.is(iam.of('aws:lambda/function:Function', functions[0]).environment.variables.ACCESS, 'iam')
})

test.serial(
  'what is configured reaches the functions, and sessions go with the stack only where that is said',
  async (t) => {
    t.false(stack.of('aws:s3/bucket:Bucket').forceDestroy)
    const other = await stackOf({
      ...REQUIRED,
      allowed_origins: 'https://one.example, https://two.example',
      agent_tools: 'Read Grep',
      agent_model: 'a-model',
      supabase_url: 'https://x.supabase.example',
      bucket_name: 'mine',
      keep_sessions: 'false',
    })
    t.like(other.of('aws:lambda/function:Function', functions[1]).environment.variables, {
      ALLOWED_ORIGINS: 'https://one.example https://two.example',
      AGENT_TOOLS: 'Read Grep',
      AGENT_MODEL: 'a-model',
      SUPABASE_URL: 'https://x.supabase.example',
      S3_BUCKET_NAME: 'mine',
    })
    t.true(other.of('aws:s3/bucket:Bucket').forceDestroy)
  },
)

test.serial('without a key, or with an access that there is not, nothing is made', async (t) => {
  await t.throwsAsync(stackOf({ api_keys: 'x' }), { message: /anthropic_api_key/ })
  await t.throwsAsync(stackOf({ anthropic_api_key: 'x' }), { message: /api_keys/ })
  await t.throwsAsync(stackOf({ ...REQUIRED, access: 'public' }), { message: /'api-key' or 'iam'/ })
})
