import { fileURLToPath } from 'node:url'

const at = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

export const root = at('../..')
export const bench = at('..')
export const apps = at('../apps')
export const servers = at('../servers')
export const results = at('../results')
export const venv = at('../../.venvs/bench')
export const cache = at('../.cache')
