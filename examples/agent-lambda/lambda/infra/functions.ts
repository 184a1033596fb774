// The functions: one image, two handlers, a role that may do what they do and no more.
import * as aws from '@pulumi/aws'
import * as pulumi from '@pulumi/pulumi'
import type { Settings } from './settings'

export const NAME = 'claude-code-lambda'

export interface Functions {
  readonly buffered: aws.lambda.Function
  readonly streamed: aws.lambda.Function
}

export function makeFunctions(settings: Settings, bucket: aws.s3.Bucket, image: pulumi.Output<string>): Functions {
  const secret = makeSecret(settings)
  const variables = {
    S3_BUCKET_NAME: bucket.bucket,
    SECRETS_ID: secret.arn,
    ACCESS: settings.access,
    ALLOWED_ORIGINS: settings.allowedOrigins.join(' '),
    AGENT_TOOLS: settings.agentTools,
    AGENT_MODEL: settings.agentModel,
    SUPABASE_URL: settings.supabaseUrl,
  }
  const make = (name: string, handler: string): aws.lambda.Function => {
    const logs = new aws.cloudwatch.LogGroup(name, { name: `/aws/lambda/${name}`, retentionInDays: 30 })
    const role = makeRole(name, bucket, secret, logs)
    return new aws.lambda.Function(
      name,
      {
        name,
        role: role.arn,
        packageType: 'Image',
        imageUri: image,
        imageConfig: { commands: [handler] },
        architectures: ['x86_64'],
        timeout: 300,
        memorySize: 2048,
        ephemeralStorage: { size: 1024 },
        environment: { variables },
      },
      { dependsOn: [logs] },
    )
  }
  return { buffered: make(NAME, 'dist/buffered.handler'), streamed: make(`${NAME}-stream`, 'dist/streamed.handler') }
}

function makeSecret({ anthropicApiKey, apiKeys, supabaseServiceRoleKey }: Settings): aws.secretsmanager.Secret {
  // Can be made anew under its name at once, after `pulumi destroy`.
  const secret = new aws.secretsmanager.Secret('agent', { name: NAME, recoveryWindowInDays: 0 })
  new aws.secretsmanager.SecretVersion('agent', {
    secretId: secret.id,
    secretString: pulumi.secret(
      pulumi.jsonStringify({
        ANTHROPIC_API_KEY: anthropicApiKey,
        API_KEYS: apiKeys,
        SUPABASE_SERVICE_ROLE_KEY: supabaseServiceRoleKey,
      }),
    ),
  })
  return secret
}

function makeRole(
  name: string,
  bucket: aws.s3.Bucket,
  secret: aws.secretsmanager.Secret,
  logs: aws.cloudwatch.LogGroup,
): aws.iam.Role {
  const role = new aws.iam.Role(name, {
    assumeRolePolicy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    }),
  })
  const allow = (Action: string[], ...Resource: pulumi.Input<string>[]) => ({ Effect: 'Allow', Action, Resource })
  new aws.iam.RolePolicy(name, {
    role: role.id,
    policy: pulumi.jsonStringify({
      Version: '2012-10-17',
      Statement: [
        allow(['s3:GetObject', 's3:PutObject'], pulumi.interpolate`${bucket.arn}/session-*.zip`),
        allow(['s3:GetObject', 's3:PutObject'], pulumi.interpolate`${bucket.arn}/leases/session-*`),
        // Without it a session that there is not is a 403.
        allow(['s3:ListBucket'], bucket.arn),
        allow(['secretsmanager:GetSecretValue'], secret.arn),
        allow(['logs:CreateLogStream', 'logs:PutLogEvents'], pulumi.interpolate`${logs.arn}:*`),
      ],
    }),
  })
  return role
}
