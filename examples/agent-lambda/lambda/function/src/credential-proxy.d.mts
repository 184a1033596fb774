// The types of examples/shared/credential-proxy/proxy.mjs, which the build puts beside its output.

/** An agent that may ask. */
export interface Admission {
  readonly token: string
  readonly env: Record<string, string>
  release(): void
}

export class CredentialProxy {
  static start(options: { credential: { apiKey: string }; upstream?: string | undefined }): Promise<CredentialProxy>
  readonly url: string
  admit(): Admission
  close(): Promise<void>
}
