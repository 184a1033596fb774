// A stack without AWS: what it would make, by Pulumi's mocks.
import * as pulumi from '@pulumi/pulumi'
import { makeStack } from '../stack'

export interface Made {
  readonly type: string
  readonly name: string
  readonly inputs: Record<string, any>
}

export interface Stack {
  readonly made: readonly Made[]
  readonly outputs: { apiUrl: string; streamUrl: string; bucketName: string }
  /** The inputs of the only resource of a type, or of the one of a name. */
  of(type: string, name?: string): Record<string, any>
}

const PROJECT = 'agent-lambda'
/** What has to be configured, and what is secret besides. */
export const REQUIRED = {
  anthropic_api_key: 'sk-ant-secret',
  api_keys: 'key-of-one key-of-two',
  supabase_service_role_key: 'a-role-of-supabase',
}

const valueOf = <T>(output: pulumi.Output<T>): Promise<T> => new Promise((resolve) => output.apply(resolve))

/** The stack of a configuration. */
export async function stackOf(config: Readonly<Record<string, string>> = REQUIRED): Promise<Stack> {
  const made: Made[] = []
  const keys = Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value] as const)
  pulumi.runtime.setAllConfig(
    Object.fromEntries(keys),
    keys.map(([key]) => key).filter((key) => /key/.test(key)),
  )
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        made.push({ type, name, inputs })
        const id = `${name}-id`
        return {
          id,
          state: {
            ...inputs,
            arn: `arn:aws:${type.split(/[:/]/)[1]}:::${inputs['bucket'] ?? inputs['name'] ?? name}`,
            invokeArn: `arn:invoke:${inputs['name']}`,
            functionUrl: 'https://stream.example/',
            apiEndpoint: 'https://api.example',
            executionArn: 'arn:execute',
            repositoryUrl: 'registry.example/agent',
            registryId: 'registry',
            digest: 'sha256:0',
          },
        }
      },
      call: ({ token }) =>
        token.includes('getAuthorizationToken') ? { userName: 'AWS', password: 'registry-token' } : {},
    },
    PROJECT,
    'test',
    false,
  )
  const { apiUrl, streamUrl, bucketName } = makeStack()
  const outputs = {
    apiUrl: await valueOf(apiUrl),
    streamUrl: await valueOf(streamUrl),
    bucketName: await valueOf(bucketName),
  }
  await pulumi.runtime.disconnect()
  return {
    made,
    outputs,
    of(type, name) {
      const found = made.filter((each) => each.type === type && (name === undefined || each.name === name))
      const [one] = found
      if (one === undefined || found.length > 1) throw new Error(`there are ${found.length} of ${type} ${name ?? ''}`)
      return one.inputs
    },
  }
}
