import { Agent } from 'node:http'
import httpProxy from 'http-proxy'
import { listen, settings } from './listen.js'

const agent = new Agent({ keepAlive: true })
const proxy = httpProxy.createProxyServer({ target: { host: '127.0.0.1', port: settings.upstreamPort }, agent })
proxy.on('error', (error, _req, res) => res.destroy(error))

listen((req, res) => proxy.web(req, res))
