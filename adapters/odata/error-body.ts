import { asText, member } from './canonical.ts'
import { tryParseJson } from './json.ts'

/** What a server says about an error; all of it optional, because proxies answer in their own tongue. */
export interface ErrorBody {
  readonly code?: string
  /** The outer message and those of the details, each once. */
  readonly texts: readonly string[]
  /** What the ABAP administrator needs to find the entry in /IWFND/ERROR_LOG. */
  readonly transactionId?: string
  readonly timestamp?: string
}

/**
 * Reads an OData error as JSON (V2 `error.message.value`, V3 `odata.error`, V4 `error.message`) or Atom XML.
 * Undefined for everything else: an HTML or plain text body says more about the way than about the request, and may
 * echo the payload. https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html#sec_ErrorResponse
 */
export function readErrorBody(text: string): ErrorBody | undefined {
  const start = text.trimStart()
  if (start.startsWith('{')) return readJson(start)
  return start.startsWith('<') && /<(\w+:)?error[\s>]/i.test(start.slice(0, 500)) ? readXml(start) : undefined
}

function readJson(text: string): ErrorBody | undefined {
  const body = tryParseJson(text)
  const error = member(body, 'error') ?? member(body, 'odata.error')
  if (typeof error !== 'object' || error === null) return undefined
  const inner = member(error, 'innererror')
  const sapV4 = member(inner, 'ErrorDetails')
  const details = [member(inner, 'errordetails'), member(error, 'details')].find(Array.isArray) ?? []
  const said = [error, ...details.filter((detail) => !isWrapper(detail))].map(messageOf)
  return {
    texts: [...new Set(said.filter((message) => message !== undefined && message !== ''))] as string[],
    ...optional('code', textOf(member(error, 'code'))),
    ...optional('transactionId', textOf(member(inner, 'transactionid') ?? member(sapV4, '@SAP__common.TransactionId'))),
    ...optional('timestamp', textOf(member(inner, 'timestamp') ?? member(sapV4, '@SAP__common.Timestamp'))),
  }
}

const readXml = (xml: string): ErrorBody => ({
  texts: [elementText(xml, 'message')].filter((text) => text !== undefined && text !== '') as string[],
  ...optional('code', elementText(xml, 'code')),
  ...optional('transactionId', elementText(xml, 'transactionid')),
  ...optional('timestamp', elementText(xml, 'timestamp')),
})

/** The first element's text. Only a message is read from it, so predefined entities are all that must be known. */
function elementText(xml: string, name: string): string | undefined {
  const text = new RegExp(`<(?:\\w+:)?${name}(?:\\s[^>]*)?>([^<]*)<`).exec(xml)?.[1]
  return text?.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => ENTITIES[entity] ?? '').trim()
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

/** Gateway repeats the outer error as a detail with this code, without saying more. */
const isWrapper = (detail: unknown): boolean => member(detail, 'code') === '/IWBEP/CX_MGW_BUSI_EXCEPTION'

function messageOf(error: unknown): string | undefined {
  const message = member(error, 'message')
  return textOf(member(message, 'value') ?? message)?.trim()
}

/** Codes are numbers in some answers. */
const textOf = (value: unknown): string | undefined => (typeof value === 'number' ? String(value) : asText(value))

const optional = <K extends string>(name: K, value: string | undefined): Partial<Record<K, string>> =>
  value ? ({ [name]: value } as Record<K, string>) : {}
