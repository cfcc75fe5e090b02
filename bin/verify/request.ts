import { usage } from '../exit.ts'

/** A delivery as it was recorded. Header names in lower case, one value per header line. */
export interface Recorded {
  readonly method: string
  readonly url: string
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: Uint8Array
  /** When it was received, where the recording says so. */
  readonly at?: Date
}

const NO_URL = 'https://gateway.example/webhooks/verify'

/** An exported request: an HTTP message (RFC 9112) or a HAR file. @throws SluiceError `usage` */
export function parseRequest(bytes: Uint8Array): Recorded {
  const text = Buffer.from(bytes).toString('latin1')
  if (/^\s*\{/.test(text)) return parseHar(Buffer.from(bytes).toString('utf8'))
  // The blank line: by the book CRLF CRLF, in what editors save LF LF.
  const [blank = ''] = /\r?\n\r?\n/.exec(text) ?? []
  const end = blank ? text.indexOf(blank) : text.length
  const [first = '', ...lines] = text.slice(0, end).split(/\r?\n/)
  const [, method, target] = /^([A-Z]+) (\S+)(?: HTTP\/[\d.]+)?$/.exec(first.trim()) ?? []
  if (method === undefined || target === undefined) {
    throw usage('--request: this is no HTTP request.', 'It begins with POST /path HTTP/1.1, or is a HAR file.')
  }
  const headers = parseHeaders(lines)
  const host = headers.get('host')?.[0] ?? 'gateway.example'
  const url = URL.canParse(target) ? target : `https://${host}${target}`
  return { method, url, headers, body: Buffer.from(text.slice(end + blank.length), 'latin1') }
}

/** `Name: value` lines. @throws SluiceError `usage` for any other */
export function parseHeaders(lines: readonly string[]): Map<string, string[]> {
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    if (line.trim() === '') continue
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*)$/s.exec(line) ?? []
    if (name === undefined || value === undefined) throw usage('A header is not written as "Name: value".')
    add(headers, name, value)
  }
  return headers
}

export const fromParts = (
  headers: ReadonlyMap<string, readonly string[]>,
  body: Uint8Array,
  url = NO_URL,
): Recorded => ({
  method: 'POST',
  url,
  headers,
  body,
})

interface HarEntry {
  readonly startedDateTime?: string
  readonly request?: {
    readonly method: string
    readonly url: string
    readonly headers: readonly { name: string; value: string }[]
    readonly postData?: { readonly text?: string; readonly encoding?: string }
  }
}

/** http://www.softwareishard.com/blog/har-12-spec/: of a recording, the first request with a body. */
function parseHar(text: string): Recorded {
  const entries = readHar(text)
  const entry = entries.find(({ request }) => request?.postData) ?? entries[0]
  if (!entry?.request) throw usage('--request: this JSON is no HAR file with a request.')
  const { method, url, headers: listed, postData } = entry.request
  const headers = new Map<string, string[]>()
  for (const { name, value } of listed) add(headers, name, value)
  const body = Buffer.from(postData?.text ?? '', postData?.encoding === 'base64' ? 'base64' : 'utf8')
  const at = new Date(entry.startedDateTime ?? Number.NaN)
  return { method, url, headers, body, ...(Number.isFinite(at.getTime()) ? { at } : {}) }
}

function readHar(text: string): readonly HarEntry[] {
  try {
    const { log } = JSON.parse(text) as { log?: { entries?: readonly HarEntry[] } }
    return Array.isArray(log?.entries) ? log.entries : []
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return []
    throw thrown
  }
}

function add(headers: Map<string, string[]>, name: string, value: string): void {
  const key = name.toLowerCase()
  headers.set(key, [...(headers.get(key) ?? []), value.trim()])
}
