// The image of both functions, built from lambda/function and kept in ECR, for this account alone: it has the agent SDK in it,
// which may not be passed on.
import * as aws from '@pulumi/aws'
import * as dockerBuild from '@pulumi/docker-build'
import * as pulumi from '@pulumi/pulumi'

/** @returns the image by its digest: another build is another image to Lambda */
export function makeImage(): pulumi.Output<string> {
  const repository = new aws.ecr.Repository('agent', {
    imageScanningConfiguration: { scanOnPush: true },
    imageTagMutability: 'MUTABLE',
    forceDelete: true,
  })
  new aws.ecr.LifecyclePolicy('agent', {
    repository: repository.name,
    policy: JSON.stringify({
      rules: [
        {
          rulePriority: 1,
          description: 'images that no function has any more',
          selection: { tagStatus: 'untagged', countType: 'imageCountMoreThan', countNumber: 3 },
          action: { type: 'expire' },
        },
      ],
    }),
  })
  const token = aws.ecr.getAuthorizationTokenOutput({ registryId: repository.registryId })
  const image = new dockerBuild.Image('agent', {
    context: { location: '../function' },
    dockerfile: { location: '../function/Dockerfile' },
    platforms: [dockerBuild.Platform.Linux_amd64],
    tags: [pulumi.interpolate`${repository.repositoryUrl}:latest`],
    buildOnPreview: false,
    // Pushed by the export below: Lambda refuses an index with attestations, which media types of Docker's own cannot have.
    push: false,
    exports: [{ registry: { ociMediaTypes: false } }],
    registries: [{ address: repository.repositoryUrl, username: token.userName, password: token.password }],
  })
  return pulumi.interpolate`${repository.repositoryUrl}@${image.digest}`
}
