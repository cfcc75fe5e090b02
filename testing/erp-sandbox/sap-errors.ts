import { randomUUID } from 'node:crypto'
import type { HttpAnswer } from '../http.ts'

interface CapDetail {
  readonly code?: string
  readonly message?: string | { readonly value: string }
  readonly target?: string
  readonly ContentID?: string
}
interface CapError extends CapDetail {
  readonly details?: readonly CapDetail[]
  readonly innererror?: { readonly errordetails?: readonly CapDetail[] }
}

/** Gateway's own message numbers where they are known; a business message keeps its class and number. */
const gatewayCodes: Readonly<Record<string, string>> = {
  '404': '/IWBEP/CM_MGW_RT/020',
  '428': '/IWBEP/CM_V4_RUNTIME/020',
}
const genericCode = '/IWBEP/CX_MGW_BUSI_EXCEPTION'

const sapCode = (code = ''): string => gatewayCodes[code] ?? (/\//.test(code) ? code : genericCode)
const text = (message: CapDetail['message'] = ''): string => (typeof message === 'string' ? message : message.value)
const transactionId = (): string => randomUUID().replaceAll('-', '').toUpperCase()
/** ABAP's long timestamp: 20160104152334.4288470 */
const abapTimestamp = (): string =>
  new Date().toISOString().replace(/^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)Z$/, '$1$2$3$4$5$6.$70000')

const sapDetails = (error: CapError) => {
  const details = error.innererror?.errordetails ?? error.details ?? []
  return (details.length > 0 ? details : [error]).map((detail) => ({
    ContentID: detail.ContentID ?? '',
    code: sapCode(detail.code),
    message: text(detail.message),
    propertyref: '',
    severity: 'error',
    target: detail.target?.startsWith('/#') ? '' : (detail.target ?? ''),
  }))
}

/** SAP Gateway's V2 error: what an administrator looks up in /IWFND/ERROR_LOG is `transactionid` and `timestamp`. */
const sapErrorV2 = (error: CapError, service: string) => {
  const errordetails = sapDetails(error)
  return {
    error: {
      code: errordetails.length > 1 ? genericCode : sapCode(error.code),
      message: { lang: 'en', value: errordetails.length > 1 ? errordetails[0]?.message : text(error.message) },
      innererror: {
        application: { component_id: '', service_namespace: '/SAP/', service_id: service, service_version: '0001' },
        transactionid: transactionId(),
        timestamp: abapTimestamp(),
        Error_Resolution: {
          SAP_Transaction:
            'Run transaction /IWFND/ERROR_LOG on SAP Gateway hub system and search for the timestamp above',
          SAP_Note: 'See SAP Note 1797736 for error analysis (https://service.sap.com/sap/support/notes/1797736)',
        },
        errordetails,
      },
    },
  }
}

const sapErrorV4 = (error: CapError, service: string) => ({
  error: {
    code: sapCode(error.code),
    message: text(error.message),
    ...(error.target && { target: error.target }),
    ...(error.details && { details: error.details.map(({ code, message }) => ({ code: sapCode(code), message })) }),
    innererror: {
      ErrorDetails: {
        '@SAP__common.Application': {
          ComponentId: '',
          ServiceRepository: 'DEFAULT',
          ServiceId: service,
          ServiceVersion: '0001',
        },
        '@SAP__common.TransactionId': transactionId(),
        '@SAP__common.Timestamp': abapTimestamp(),
      },
    },
  },
})

/** An error the sandbox raises before CAP is asked. */
const sapErrorAnswer = (path: ODataPath, status: number, code: string, message: string): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json;charset=utf-8', dataserviceversion: '1.0' },
  body: JSON.stringify(
    path.v2 ? sapErrorV2({ code, message }, path.service) : sapErrorV4({ code, message }, path.service),
  ),
})

export interface ODataPath {
  readonly v2: boolean
  readonly service: string
  /** Entity set, `$batch`, `$metadata`, or empty for the service root. */
  readonly resource: string
  /** The service root without the closing slash, where SAP redirects. */
  readonly bareRoot: boolean
}

export const parseODataPath = (url: string): ODataPath | undefined => {
  const match = /^\/sap\/opu\/odata(4?)\/sap\/(\w+)(\/([^?(/]*))?/.exec(url)
  if (!match) return undefined
  const [, four, service = '', slash, resource = ''] = match
  return { v2: four === '', service, resource: decodeURIComponent(resource), bareRoot: slash === undefined }
}

/** Turns CAP's and the V2 adapter's error bodies into SAP's, also inside `$batch` answers. */
export const withSapErrors = (answer: HttpAnswer, path: ODataPath): HttpAnswer => {
  const convert = (json: string): string => {
    const { error } = JSON.parse(json) as { error: CapError }
    return JSON.stringify(path.v2 ? sapErrorV2(error, path.service) : sapErrorV4(error, path.service))
  }
  const body = answer.body.toString()
  if (path.resource === '$batch') return { ...answer, body: convertParts(body, convert) }
  if (answer.status < 400) return answer
  if (body.startsWith('{"error"')) return { ...answer, body: convert(body) }
  return sapErrorAnswer(path, answer.status, String(answer.status), body || 'The request could not be processed')
}

const convertParts = (body: string, convert: (json: string) => string): string =>
  body
    .replaceAll(/\r\n\r\n(\{"error":.*\})(?=\r\n)/g, (_, json: string) => `\r\n\r\n${convert(json)}`)
    .replaceAll(
      /content-length: \d+\r\n((?:[^\r\n]+\r\n)*\r\n)(.*)(?=\r\n)/gi,
      (_, rest: string, json: string) => `content-length: ${Buffer.byteLength(json)}\r\n${rest}${json}`,
    )
