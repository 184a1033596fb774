import { amphis } from 'amphis/next'

export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = amphis('main:app', { prefix: '/api' })
