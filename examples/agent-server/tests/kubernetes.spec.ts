import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { folder } from './helpers/agent-server.js'

// The manifests, against the schemas of Kubernetes.

const manifests = join(folder, 'k8s/agent-server.yaml')

const PROGRAM = `import sys, yaml, kubernetes_validate
for document in yaml.safe_load_all(sys.stdin):
    kubernetes_validate.validate(document, "1.33", strict=True)
    print(document["kind"])`

async function validate(yaml: string): Promise<string[]> {
  const running = promisify(execFile)(join(folder, '.venv/bin/python'), ['-c', PROGRAM])
  running.child.stdin!.end(yaml)
  return (await running).stdout.trim().split('\n')
}

test('the manifests are as the schemas say', async (t) => {
  t.deepEqual(await validate(await readFile(manifests, 'utf8')), [
    'Namespace',
    'Secret',
    'PersistentVolumeClaim',
    'Deployment',
    'Service',
    'NetworkPolicy',
  ])
})

test('a manifest with a wrong name or type is noticed', async (t) => {
  const yaml = await readFile(manifests, 'utf8')
  for (const [right, wrong] of [
    ['replicas: 1', 'replicas: one'],
    ['readOnlyRootFilesystem', 'readonlyRootFilesystem'],
  ] as const) {
    t.true(yaml.includes(right))
    await t.throwsAsync(validate(yaml.replace(right, wrong)))
  }
})
