// The program that `pulumi up` runs.
import { makeStack } from './stack'

export const { apiUrl, streamUrl, bucketName } = makeStack()
