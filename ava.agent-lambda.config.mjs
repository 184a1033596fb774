// The tests of what examples/agent-lambda needs of AWS, with Pulumi's mocks: scripts/test-agent-lambda.mjs runs them.
export default {
  files: ['examples/agent-lambda/lambda/infra/tests/*.spec.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=@oxc-node/core/register', '--disable-warning=DEP0205'],
  workerThreads: false,
  timeout: '2m',
}
