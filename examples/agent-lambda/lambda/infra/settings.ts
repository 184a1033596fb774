// What is configured; Pulumi.yaml has the words and the defaults.
import * as pulumi from '@pulumi/pulumi'

export interface Settings {
  readonly anthropicApiKey: pulumi.Output<string>
  readonly apiKeys: pulumi.Output<string>
  readonly supabaseUrl: string
  readonly supabaseServiceRoleKey: pulumi.Output<string>
  readonly access: 'api-key' | 'iam'
  readonly allowedOrigins: string[]
  readonly agentTools: string
  readonly agentModel: string
  readonly bucketName: string
  readonly keepSessions: boolean
}

/** @throws if there is none of a key that it takes, or a value that there is not */
export function readSettings(): Settings {
  const config = new pulumi.Config()
  const access = config.get('access') ?? 'api-key'
  if (access !== 'api-key' && access !== 'iam') {
    throw new Error(`access is '${access}': it has to be 'api-key' or 'iam'`)
  }
  return {
    anthropicApiKey: config.requireSecret('anthropic_api_key'),
    // Without one nobody gets in, and by IAM nobody needs one.
    apiKeys: access === 'iam' ? pulumi.secret('') : config.requireSecret('api_keys'),
    supabaseUrl: config.get('supabase_url') ?? '',
    supabaseServiceRoleKey: config.getSecret('supabase_service_role_key') ?? pulumi.secret(''),
    access,
    allowedOrigins: (config.get('allowed_origins') ?? '').split(/[\s,]+/).filter(Boolean),
    agentTools: config.get('agent_tools') ?? '',
    agentModel: config.get('agent_model') ?? '',
    bucketName: config.get('bucket_name') ?? 'claude-code-sessions',
    keepSessions: config.getBoolean('keep_sessions') ?? true,
  }
}
