// Events as AWS sends them: the shapes are those of public samples, the values ours.

/** API Gateway, REST API: decoded, with several values a name. */
export const restEvent = (more: object = {}) => ({
  resource: '/{proxy+}',
  path: '/a b/ü',
  httpMethod: 'POST',
  headers: { Accept: 'text/html', Host: 'abc123.execute-api.eu-central-1.amazonaws.com', 'X-Forwarded-Proto': 'https' },
  multiValueHeaders: {
    Accept: ['text/html', 'application/json'],
    Cookie: ['a=1; b=2'],
    Host: ['abc123.execute-api.eu-central-1.amazonaws.com'],
    'X-Forwarded-For': ['198.51.100.7, 203.0.113.9'],
    'X-Forwarded-Port': ['443'],
    'X-Forwarded-Proto': ['https'],
  },
  queryStringParameters: { name: 'Ada & Bob', tag: '2' },
  multiValueQueryStringParameters: { name: ['Ada & Bob'], tag: ['1', '2'] },
  pathParameters: { proxy: 'a b/ü' },
  stageVariables: null,
  requestContext: {
    accountId: '123456789012',
    apiId: 'abc123',
    domainName: 'abc123.execute-api.eu-central-1.amazonaws.com',
    httpMethod: 'POST',
    identity: { sourceIp: '198.51.100.7', userAgent: 'test' },
    path: '/prod/a b/ü',
    protocol: 'HTTP/1.1',
    requestId: 'id',
    resourcePath: '/{proxy+}',
    stage: 'prod',
  },
  body: '{"name":"Ada"}',
  isBase64Encoded: false,
  ...more,
})

/** API Gateway, HTTP API. */
export const httpApiEvent = (more: object = {}) => ({
  version: '2.0',
  routeKey: 'ANY /{proxy+}',
  rawPath: '/dev/a%20b/%C3%BC',
  rawQueryString: 'name=Ada%20%26%20Bob&tag=1&tag=2',
  cookies: ['a=1', 'b=2'],
  headers: {
    accept: 'text/html,application/json',
    host: 'abc123.execute-api.eu-central-1.amazonaws.com',
    'x-forwarded-for': '198.51.100.7',
    'x-forwarded-port': '443',
    'x-forwarded-proto': 'https',
  },
  queryStringParameters: { name: 'Ada & Bob', tag: '1,2' },
  requestContext: {
    accountId: '123456789012',
    apiId: 'abc123',
    domainName: 'abc123.execute-api.eu-central-1.amazonaws.com',
    domainPrefix: 'abc123',
    http: {
      method: 'POST',
      path: '/dev/a%20b/%C3%BC',
      protocol: 'HTTP/1.1',
      sourceIp: '198.51.100.7',
      userAgent: 'test',
    },
    requestId: 'id',
    routeKey: 'ANY /{proxy+}',
    stage: 'dev',
    time: '30/Nov/2026:00:00:00 +0000',
    timeEpoch: 1_796_000_000_000,
  },
  body: Buffer.from('{"name":"Ada"}').toString('base64'),
  isBase64Encoded: true,
  ...more,
})

/** A Function URL: the same with other names. */
export const functionUrlEvent = (more: object = {}, http: object = {}) => ({
  version: '2.0',
  routeKey: '$default',
  rawPath: '/',
  rawQueryString: '',
  headers: { host: 'xyz.lambda-url.eu-central-1.on.aws', 'x-forwarded-proto': 'https', 'x-forwarded-port': '443' },
  requestContext: {
    accountId: 'anonymous',
    apiId: 'xyz',
    domainName: 'xyz.lambda-url.eu-central-1.on.aws',
    domainPrefix: 'xyz',
    http: { method: 'GET', path: '/', protocol: 'HTTP/1.1', sourceIp: '198.51.100.7', userAgent: 'test', ...http },
    requestId: 'id',
    routeKey: '$default',
    stage: '$default',
    time: '30/Nov/2026:00:00:00 +0000',
    timeEpoch: 1_796_000_000_000,
  },
  isBase64Encoded: false,
  ...more,
})

const elb = { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/function/abcdefgh' }

/** A load balancer whose target group has no multi-value headers. */
export const loadBalancerEvent = (more: object = {}) => ({
  requestContext: { elb },
  httpMethod: 'POST',
  path: '/a%20b/%C3%BC',
  queryStringParameters: { name: 'Ada%20%26%20Bob', tag: '2' },
  headers: {
    accept: 'text/html',
    cookie: 'a=1; b=2',
    host: 'function-123.eu-central-1.elb.amazonaws.com',
    'x-forwarded-for': '198.51.100.7, 203.0.113.9',
    'x-forwarded-port': '80',
    'x-forwarded-proto': 'http',
  },
  body: '{"name":"Ada"}',
  isBase64Encoded: false,
  ...more,
})

/** … and one that has them. */
export const multiValueEvent = (more: object = {}) => ({
  requestContext: { elb },
  httpMethod: 'GET',
  path: '/',
  multiValueQueryStringParameters: { name: ['Ada%20%26%20Bob'], tag: ['1', '2'] },
  multiValueHeaders: {
    accept: ['text/html', 'application/json'],
    host: ['function-123.eu-central-1.elb.amazonaws.com'],
    'x-forwarded-for': ['203.0.113.9'],
    'x-forwarded-port': ['443'],
    'x-forwarded-proto': ['https'],
  },
  body: '',
  isBase64Encoded: false,
  ...more,
})

/** VPC Lattice, version 1. */
export const firstLatticeEvent = (more: object = {}) => ({
  raw_path: '/a%20b/%C3%BC',
  method: 'POST',
  headers: { accept: 'text/html', host: 'svc.vpc-lattice-svcs.eu-central-1.on.aws', 'x-forwarded-for': '10.0.0.7' },
  query_string_parameters: { name: 'Ada' },
  body: Buffer.from('{"name":"Ada"}').toString('base64'),
  is_base64_encoded: true,
  ...more,
})

/** … version 2. */
export const secondLatticeEvent = (more: object = {}) => ({
  version: '2.0',
  path: '/a%20b/%C3%BC?name=Ada&tag=1&tag=2',
  method: 'POST',
  headers: { accept: ['text/html', 'application/json'], host: ['svc.vpc-lattice-svcs.eu-central-1.on.aws'] },
  queryStringParameters: { name: ['Ada'], tag: ['1', '2'] },
  body: '{"name":"Ada"}',
  isBase64Encoded: false,
  requestContext: {
    serviceNetworkArn: 'arn:aws:vpc-lattice:eu-central-1:123456789012:servicenetwork/sn-0',
    serviceArn: 'arn:aws:vpc-lattice:eu-central-1:123456789012:service/svc-0',
    targetGroupArn: 'arn:aws:vpc-lattice:eu-central-1:123456789012:targetgroup/tg-0',
    identity: { sourceVpcArn: 'arn:aws:ec2:eu-central-1:123456789012:vpc/vpc-0' },
    region: 'eu-central-1',
    timeEpoch: '1796000000000000',
  },
  ...more,
})

/** API Gateway, WebSocket API. */
export const webSocketEvent = (routeKey: string, more: object = {}) => ({
  requestContext: {
    apiId: 'ws123',
    connectedAt: 1_796_000_000_000,
    connectionId: 'BFHPhfCWIAMCKlQ=',
    domainName: 'ws123.execute-api.eu-central-1.amazonaws.com',
    eventType: routeKey === '$connect' ? 'CONNECT' : routeKey === '$disconnect' ? 'DISCONNECT' : 'MESSAGE',
    extendedRequestId: 'id',
    identity: { sourceIp: '198.51.100.7' },
    messageDirection: 'IN',
    requestId: 'id',
    requestTimeEpoch: 1_796_000_000_000,
    routeKey,
    stage: 'prod',
  },
  isBase64Encoded: false,
  ...more,
})

/** A queue's: each record may fail for itself. */
export const queueEvent = (...bodies: string[]) => ({
  Records: bodies.map((body, at) => ({
    messageId: `message-${at}`,
    receiptHandle: 'handle',
    body,
    attributes: { ApproximateReceiveCount: '1', SentTimestamp: '1796000000000' },
    messageAttributes: {},
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:eu-central-1:123456789012:queue',
    awsRegion: 'eu-central-1',
  })),
})

/** A bucket's. */
export const bucketEvent = {
  Records: [
    {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'eu-central-1',
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: 'bucket' }, object: { key: 'a+key', size: 1024 } },
    },
  ],
}

/** EventBridge's, of a schedule. */
export const scheduleEvent = {
  version: '0',
  id: 'id',
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  account: '123456789012',
  time: '2026-11-30T00:00:00Z',
  region: 'eu-central-1',
  resources: ['arn:aws:events:eu-central-1:123456789012:rule/rule'],
  detail: {},
}

/** A context as Lambda gives it. */
export const contextOf = (milliseconds = 30_000) => {
  const end = Date.now() + milliseconds
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'function',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:function',
    memoryLimitInMB: '128',
    awsRequestId: 'request-1',
    logGroupName: '/aws/lambda/function',
    logStreamName: 'stream',
    getRemainingTimeInMillis: () => end - Date.now(),
  }
}
