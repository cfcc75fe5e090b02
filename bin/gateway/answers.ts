import type { AxiosResponse } from 'axios'
import { SluiceError } from '#domain/errors'
import { cut, safe } from '../text.ts'

type Answer = Pick<AxiosResponse<string>, 'status' | 'headers' | 'data'>

const MAX_MESSAGE = 300

/**
 * What an answer of the operator API means: its JSON, nothing (204), or a named fault.
 * @throws SluiceError `gateway-refused` (401, 403), `gateway-foreign` (not the operator API), `gateway-failed` (5xx),
 * `not-found`, `conflict`, `refused` (any other 4xx)
 */
export function checkAnswer(base: string, answer: Answer, known: boolean): Record<string, unknown> | undefined {
  const { status } = answer
  if (status === 204) return undefined
  if (status === 401) throw whoAreYou(base, known)
  if (status === 403) throw noRole(base)
  const json = parse(answer)
  const said = messageOf(json)
  if (status >= 500) throw failed(base, status, said)
  if (!json) throw foreign(base, answer)
  if (status < 300) return json
  if (said === undefined) throw foreign(base, answer)
  const code = status === 404 ? 'not-found' : status === 409 ? 'conflict' : 'refused'
  throw new SluiceError(code, `The gateway answered ${status}: ${said}`, { retry: 'never', httpStatus: status })
}

const whoAreYou = (base: string, known: boolean): SluiceError =>
  known
    ? new SluiceError('gateway-refused', `${base} does not accept these credentials (401).`, {
        retry: 'never',
        remedy: 'Check the user and the password, or whether the token has expired.',
      })
    : new SluiceError('gateway-refused', `${base} wants to know who asks (401).`, {
        retry: 'never',
        remedy: 'Set SLUICE_USER and SLUICE_PASSWORD, or SLUICE_TOKEN, or give --user.',
      })

const noRole = (base: string): SluiceError =>
  new SluiceError('gateway-refused', `${base} knows you, but you lack the role (403).`, {
    retry: 'never',
    remedy: 'To read takes SluiceViewer or SluiceOperator, to act and to see payloads SluiceOperator.',
  })

const failed = (base: string, status: number, said: string | undefined): SluiceError =>
  new SluiceError('gateway-failed', `${base} answered ${status}${said ? `: ${said}` : ''}.`, {
    remedy: 'Try again; the reason is in its log.',
  })

function foreign(base: string, { status, headers }: Answer): SluiceError {
  const type = String(headers['content-type'] ?? 'no content type').split(';')[0]
  return new SluiceError('gateway-foreign', `${base} answered ${status} with ${safe(String(type))}: no operator API.`, {
    retry: 'never',
    remedy:
      status === 404
        ? "Is --url the gateway's base address? Its operator API comes by `using from 'cap-sluice'`; the SDK alone has none."
        : 'Is --url the base address of the gateway, without a path, and no log-on page in between?',
  })
}

function parse({ headers, data }: Answer): Record<string, unknown> | undefined {
  if (!/json/i.test(String(headers['content-type'] ?? ''))) return undefined
  try {
    const json: unknown = JSON.parse(data)
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

function messageOf(json: Record<string, unknown> | undefined): string | undefined {
  const error = json?.error
  const message = typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : undefined
  return typeof message === 'string' ? cut(safe(message), MAX_MESSAGE) : undefined
}
