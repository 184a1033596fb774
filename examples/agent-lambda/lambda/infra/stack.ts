// All of it together.
import type * as pulumi from '@pulumi/pulumi'
import { makeFronts } from './fronts'
import { makeFunctions } from './functions'
import { makeImage } from './image'
import { makeBucket } from './sessions'
import { readSettings } from './settings'

export interface Outputs {
  readonly apiUrl: pulumi.Output<string>
  readonly streamUrl: pulumi.Output<string>
  readonly bucketName: pulumi.Output<string>
}

export function makeStack(): Outputs {
  const settings = readSettings()
  const bucket = makeBucket(settings.bucketName, settings.keepSessions)
  const functions = makeFunctions(settings, bucket, makeImage())
  return { ...makeFronts(settings, functions), bucketName: bucket.bucket }
}
