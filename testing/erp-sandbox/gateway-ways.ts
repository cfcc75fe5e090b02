import type { HttpAnswer, HttpRequest } from '../http.ts'
import { decimalElements } from './business-objects.ts'
import type { ODataPath } from './sap-errors.ts'

/** Where SAP Gateway does otherwise than CAP: it answers V2 updates with 204 and executes every changeset of a batch. */
export const asGatewayWould = (request: HttpRequest, path: ODataPath): HttpRequest => {
  if (!path.v2) return request
  if (path.resource === '$batch') {
    const body = Buffer.from(withUniqueChangesets(withMinimalUpdates(request.body.toString())))
    return { ...request, body, headers: { ...request.headers, prefer: 'odata.continue-on-error' } }
  }
  const method = String(request.headers['x-http-method'] ?? request.method).toUpperCase()
  if (!['PATCH', 'MERGE', 'PUT'].includes(method)) return request
  return { ...request, headers: { ...request.headers, prefer: 'return=minimal' } }
}

const withMinimalUpdates = (batch: string): string =>
  batch.replaceAll(/^((?:PATCH|MERGE|PUT) .*\r\n)/gm, '$1Prefer: return=minimal\r\n')

/** Clients may give every changeset the same boundary; CAP would make them one. */
const withUniqueChangesets = (batch: string): string => {
  let n = 0
  return batch.replaceAll(
    /(content-type:\s*multipart\/mixed;\s*boundary=)"?([^\r\n"]+)"?(.*?--)\2--/gis,
    (_, header: string, boundary: string, parts: string) => {
      const name = `${boundary}_${++n}`
      return `${header}${name}${parts.replaceAll(`--${boundary}\r\n`, `--${name}\r\n`)}${name}--`
    },
  )
}

const quotedDecimals = new RegExp(`"(${decimalElements.join('|')})":"(-?[\\d.]+)"`, 'g')

/** V4 writes decimals as JSON numbers unless the client says `IEEE754Compatible=true`; CAP always quotes them. */
export const withPlainDecimals = (answer: HttpAnswer, request: HttpRequest, path: ODataPath): HttpAnswer => {
  if (path.v2 || /IEEE754Compatible=true/i.test(request.headers.accept ?? '')) return answer
  return { ...answer, body: answer.body.toString().replaceAll(quotedDecimals, '"$1":$2') }
}
