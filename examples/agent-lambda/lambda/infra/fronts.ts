// What the functions are asked by: an HTTP API, which waits 30 seconds, and a Function URL, which streams for as long as the
// function may take.
import * as aws from '@pulumi/aws'
import * as pulumi from '@pulumi/pulumi'
import { NAME, type Functions } from './functions'
import type { Settings } from './settings'

export interface Urls {
  readonly apiUrl: pulumi.Output<string>
  readonly streamUrl: pulumi.Output<string>
}

export function makeFronts({ access }: Settings, functions: Functions): Urls {
  return { apiUrl: makeApi(access, functions.buffered), streamUrl: makeUrl(access, functions.streamed) }
}

function makeApi(access: Settings['access'], target: aws.lambda.Function): pulumi.Output<string> {
  // The app answers for CORS itself, on both URLs alike.
  const api = new aws.apigatewayv2.Api(NAME, { name: NAME, protocolType: 'HTTP' })
  const integration = new aws.apigatewayv2.Integration(NAME, {
    apiId: api.id,
    integrationType: 'AWS_PROXY',
    integrationUri: target.invokeArn,
    payloadFormatVersion: '2.0',
    timeoutMilliseconds: 30_000,
  })
  const authorizationType = access === 'iam' ? 'AWS_IAM' : 'NONE'
  const route = (name: string, routeKey: string, authorization: string) =>
    new aws.apigatewayv2.Route(name, {
      apiId: api.id,
      routeKey,
      target: pulumi.interpolate`integrations/${integration.id}`,
      authorizationType: authorization,
    })
  route('ask', 'POST /claude-code', authorizationType)
  route('preflight', 'OPTIONS /claude-code', 'NONE')
  route('health', 'GET /health', authorizationType)
  const stage = new aws.apigatewayv2.Stage(NAME, {
    apiId: api.id,
    name: '$default',
    autoDeploy: true,
    defaultRouteSettings: { throttlingRateLimit: 20, throttlingBurstLimit: 40 },
  })
  new aws.lambda.Permission('api', {
    action: 'lambda:InvokeFunction',
    function: target.name,
    principal: 'apigateway.amazonaws.com',
    sourceArn: pulumi.interpolate`${api.executionArn}/*/*`,
  })
  // Not before there is a stage.
  return pulumi.all([api.apiEndpoint, stage.id]).apply(([endpoint]) => endpoint)
}

function makeUrl(access: Settings['access'], target: aws.lambda.Function): pulumi.Output<string> {
  const authorizationType = access === 'iam' ? 'AWS_IAM' : 'NONE'
  const url = new aws.lambda.FunctionUrl('stream', {
    functionName: target.name,
    authorizationType,
    invokeMode: 'RESPONSE_STREAM',
  })
  if (authorizationType === 'NONE') {
    // The app asks for its own key. Both are needed since October 2025.
    new aws.lambda.Permission('stream-url', {
      action: 'lambda:InvokeFunctionUrl',
      function: target.name,
      principal: '*',
      functionUrlAuthType: 'NONE',
    })
    new aws.lambda.Permission('stream-function', {
      action: 'lambda:InvokeFunction',
      function: target.name,
      principal: '*',
      invokedViaFunctionUrl: true,
    })
  }
  return url.functionUrl
}
