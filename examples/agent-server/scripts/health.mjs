// The image's health check: whether /health answers 200; what is missing otherwise is printed.
import { get } from 'node:http'

const port = process.env.PORT || 3000
get({ host: '127.0.0.1', port, path: '/health', timeout: 4000 }, (response) => {
  response.pipe(process.stdout)
  process.exitCode = response.statusCode === 200 ? 0 : 1
}).on('error', (error) => {
  console.log(error.message)
  process.exitCode = 1
})
