// The tests of examples/agent-server, which install half a gigabyte: scripts/test-agent-server.mjs runs them.
export default {
  files: ['examples/agent-server/tests/**/*.spec.ts'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=@oxc-node/core/register', '--disable-warning=DEP0205'],
  workerThreads: false,
  timeout: '2m',
}
