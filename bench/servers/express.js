import express from 'express'
import { cache, floor } from './floor.js'
import { listen } from './listen.js'

const app = express()
app.use('/static', express.static(cache))
// Without `res.send` and its hash: the least that a route of Express can cost.
app.use((req, res) => floor(req, res))
listen(app)
