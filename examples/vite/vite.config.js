import { amphis } from 'amphis/vite'
import { defineConfig } from 'vite'

export default defineConfig({ plugins: [amphis({ app: 'main:app', path: '/api' })] })
