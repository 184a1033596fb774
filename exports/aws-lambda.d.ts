export * from '../dist/aws-lambda.cjs'
