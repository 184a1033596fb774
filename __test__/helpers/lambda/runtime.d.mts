/** Takes invocations one after the other; rejects when the Runtime API is gone. */
export function serve(api: string, handler: unknown): Promise<never>
