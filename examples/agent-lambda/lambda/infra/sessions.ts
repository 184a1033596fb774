// The bucket of the sessions: with versions, for nobody but the functions.
import * as aws from '@pulumi/aws'
import * as pulumi from '@pulumi/pulumi'

export function makeBucket(name: string, keep: boolean): aws.s3.Bucket {
  const bucket = new aws.s3.Bucket('sessions', {
    bucket: name,
    // `pulumi destroy` deletes the sessions only if it is told to.
    forceDestroy: !keep,
  })
  new aws.s3.BucketVersioning('sessions', {
    bucket: bucket.id,
    versioningConfiguration: { status: 'Enabled' },
  })
  new aws.s3.BucketPublicAccessBlock('sessions', {
    bucket: bucket.id,
    blockPublicAcls: true,
    blockPublicPolicy: true,
    ignorePublicAcls: true,
    restrictPublicBuckets: true,
  })
  new aws.s3.BucketServerSideEncryptionConfiguration('sessions', {
    bucket: bucket.id,
    rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: 'AES256' } }],
  })
  new aws.s3.BucketPolicy('sessions', {
    bucket: bucket.id,
    policy: pulumi.jsonStringify({
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'OnlyOverTls',
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:*',
          Resource: [bucket.arn, pulumi.interpolate`${bucket.arn}/*`],
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    }),
  })
  new aws.s3.BucketLifecycleConfiguration('sessions', {
    bucket: bucket.id,
    rules: [
      {
        id: 'earlier-versions',
        status: 'Enabled',
        filter: { prefix: 'session-' },
        noncurrentVersionExpiration: { noncurrentDays: 30 },
        abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
      },
      {
        // Each turn that goes on with a session makes and deletes one.
        id: 'leases',
        status: 'Enabled',
        filter: { prefix: 'leases/' },
        noncurrentVersionExpiration: { noncurrentDays: 1 },
        expiration: { expiredObjectDeleteMarker: true },
      },
    ],
  })
  return bucket
}
