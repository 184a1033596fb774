// What the client asked for, for people to read.

/**
 * The URL as the client has sent it: a host framework cuts the prefix of a mount off `url`, and keeps the whole in
 * `originalUrl` (Connect and its like) or the prefix in `baseUrl`. Only for words: what is routed by is `url`.
 */
export function askedUrl(request: { url?: string | undefined; originalUrl?: unknown; baseUrl?: unknown }): string {
  const { url = '/', originalUrl, baseUrl } = request
  if (typeof originalUrl === 'string') {
    return originalUrl
  }
  return typeof baseUrl === 'string' ? baseUrl + url : url
}
