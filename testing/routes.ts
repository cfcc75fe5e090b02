import { answerJson, type HttpAnswer, type HttpRequest } from './http.ts'

/** Path parameters, decoded. */
type Params = Readonly<Record<string, string>>
export type Handler = (request: HttpRequest, params: Params) => HttpAnswer | Promise<HttpAnswer>

/**
 * Routes requests by a table whose keys read `METHOD /path/{param}`. A parameter is one segment, percent-decoded, so that
 * topics and queue names with slashes arrive encoded, as SAP's APIs demand.
 */
export const routes = (table: Readonly<Record<string, Handler>>) => {
  const compiled = Object.entries(table).map(([key, handler]) => {
    const [method, path = ''] = key.split(' ')
    return { method, pattern: new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}/?$`), handler }
  })

  return async (request: HttpRequest): Promise<HttpAnswer> => {
    const path = request.url.split('?')[0] ?? ''
    const found = compiled.filter(({ pattern }) => pattern.test(path))
    const match = found.find(({ method }) => method === request.method)
    if (!match) return answerJson(found.length > 0 ? 405 : 404, { message: `no ${request.method} ${path}` })
    const groups = match.pattern.exec(path)?.groups ?? {}
    try {
      const params = Object.fromEntries(
        Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]),
      )
      return await match.handler(request, params)
    } catch (error) {
      if (error instanceof Refusal) return error.answer
      // Whatever else a caller asked for and cannot have, a body that is no JSON included, is the caller's to read.
      return answerJson(400, { message: error instanceof Error ? error.message : String(error) })
    }
  }
}

/** An answer a handler throws to leave early. */
export class Refusal extends Error {
  readonly answer: HttpAnswer

  /** @param code where callers tell refusals of one status apart by it */
  constructor(status: number, message: string, code?: string) {
    super(message)
    this.answer = answerJson(status, code === undefined ? { message } : { message, error: { code, message } })
  }
}
