import http from 'node:http'
import { answerJson, type HttpAnswer, type HttpRequest } from '../http.ts'
import { stampHeader } from './business-logic.ts'
import { asGatewayWould, withPlainDecimals } from './gateway-ways.ts'
import { type ODataPath, withSapErrors } from './sap-errors.ts'

/** Between two parties only, or settled by the gate. */
const keptBack = [
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'authorization',
  'cookie',
  stampHeader,
]

/** Passes requests on to the CAP application behind the gate, and makes its answers SAP's. */
export const forwardTo = (port: number) => {
  const agent = new http.Agent({ keepAlive: true })

  return async (request: HttpRequest, path: ODataPath, stampedAt?: string): Promise<HttpAnswer> => {
    const sap = asGatewayWould(request, path)
    const headers: http.OutgoingHttpHeaders = { ...sap.headers }
    for (const name of keptBack) delete headers[name]
    // The adapter takes `*` for a list of languages and breaks.
    if (headers['accept-language'] === '*') delete headers['accept-language']
    if (stampedAt) headers[stampHeader] = stampedAt
    if (sap.body.length > 0) headers['content-length'] = sap.body.length
    return withPlainDecimals(withSapErrors(await ask(sap, headers), path), request, path)
  }

  function ask(request: HttpRequest, headers: http.OutgoingHttpHeaders): Promise<HttpAnswer> {
    return new Promise((resolve) => {
      const failed = (error: Error) => resolve(answerJson(500, { error: { code: '500', message: error.message } }))
      const { method, url: path } = request
      const outgoing = http.request({ host: '127.0.0.1', port, agent, method, path, headers }, (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', failed)
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 500,
            headers: passedOn(incoming.headers),
            body: Buffer.concat(chunks),
          }),
        )
      })
      outgoing.on('error', failed)
      outgoing.end(request.body)
    })
  }
}

const passedOn = (headers: http.IncomingHttpHeaders): HttpAnswer['headers'] => {
  const kept = Object.entries(headers).filter(([name]) => !keptBack.includes(name) && !name.startsWith('x-'))
  return Object.fromEntries(kept.filter((entry): entry is [string, string | string[]] => entry[1] !== undefined))
}
