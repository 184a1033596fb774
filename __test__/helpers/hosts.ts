import { createRequire } from 'node:module'
import type express from 'express'

/** Express 4, which has no types of its own beside those of Express 5. */
export const express4 = createRequire(import.meta.url)('express4') as typeof express
