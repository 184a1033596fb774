import { createServer } from 'node:http'
import { PythonHandler } from 'amphis'
import { handler } from './build/handler.js'

const api = new PythonHandler('main:app').mount('/api')
const server = createServer((req, res) => api(req, res, () => handler(req, res)))
api.attach(server)
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`)
})
