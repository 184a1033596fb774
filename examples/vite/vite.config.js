import { amphis } from 'amphis/vite'
import { defineConfig } from 'vite'

// The app of the other examples. Yours may lie in any folder.
const app = {
  app: 'main:app',
  appDir: '../shared',
  // Who develops needs no login.
  context: () => ({ user: 'ada' }),
  // What Python does not have is Vite's.
  fallthrough: true,
}

/** In front of the app: headers and cookies of JavaScript go along with those of Python. */
const host = {
  name: 'host',
  enforce: 'pre',
  configureServer({ middlewares }) {
    middlewares.use((_req, res, next) => {
      res.setHeader('set-cookie', 'node=1')
      next()
    })
  },
}

export default defineConfig({
  plugins: [host, amphis({ app, path: '/api' })],
  server: { port: Number(process.env.PORT || 3000) },
})
