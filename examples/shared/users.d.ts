import type { IncomingHttpHeaders, Server } from 'node:http'
import type { PythonHandlerOptions } from 'amphis'

export function userOf(headers: IncomingHttpHeaders | Record<string, string | undefined>): string | undefined
export const app: PythonHandlerOptions
export function listening(server: Server): void
export const port: number
export function closeBySignal(close: () => Promise<void>): void
