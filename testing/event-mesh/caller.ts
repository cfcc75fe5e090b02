import http from 'node:http'
import https from 'node:https'
import { rootCertificates } from 'node:tls'

export interface Call {
  readonly method: 'OPTIONS' | 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface Called {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface CallerOptions {
  readonly timeoutMs: number
  /** PEM of authorities besides the usual ones. */
  readonly ca?: string | undefined
  /** The broker's own, shown in the TLS handshake. */
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

/** Calls out with kept connections, follows no redirects. @returns undefined where no complete answer came */
export const caller = ({ timeoutMs, ca, certificate, key }: CallerOptions) => {
  const tls = { ...(ca && { ca: [...rootCertificates, ca] }), ...(certificate && key && { cert: certificate, key }) }
  const agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true, ...tls }),
  }

  return ({ method, url, headers, body }: Call): Promise<Called | undefined> =>
    new Promise((resolve) => {
      if (!URL.canParse(url) || !/^https?:/.test(url)) return resolve(undefined)
      const protocol = url.startsWith('https:') ? 'https:' : 'http:'
      const length = body ? { 'content-length': String(body.length) } : {}
      const request = (protocol === 'https:' ? https : http).request(url, {
        method,
        headers: { ...headers, ...length },
        agent: agents[protocol],
        signal: AbortSignal.timeout(timeoutMs),
      })
      // Refused, reset, timed out: nothing was acknowledged.
      request.on('error', () => resolve(undefined))
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('error', () => resolve(undefined))
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const { statusCode: status = 0, headers: answered } = response
          resolve({ status, headers: answered, body: Buffer.concat(chunks).toString() })
        })
      })
      request.end(body)
    })
}
