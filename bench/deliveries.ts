import { createHmac } from 'node:crypto'

export const SECRET = 'the secret of the benchmark'

const BODY_BYTES = 2_048
const ID_LENGTH = 36
const EMPTY_ID = ' '.repeat(ID_LENGTH)

/** An issue's webhook as GitHub sends and signs it, padded to 2 KB. Everything of one issue has one key. */
export interface SignedIssue {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export function signedIssue(number: number, action = 'opened'): SignedIssue {
  const json = JSON.stringify({
    action,
    issue: {
      id: 2_400_000_000 + number,
      number,
      title: `Order ${number} does not arrive`,
      state: 'open',
      updated_at: '2026-01-01T00:00:00Z',
      user: { login: 'octocat', id: 1, type: 'User' },
      body: '',
    },
    repository: { id: 1_296_269, full_name: 'octocat/orders', html_url: 'https://github.com/octocat/orders' },
    sender: { login: 'octocat', id: 1, type: 'User' },
  })
  const body = json.replace('"body":""', `"body":"${'x'.repeat(BODY_BYTES - json.length)}"`)
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'GitHub-Hookshot/044aadd',
      'x-github-event': 'issues',
      'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
    },
  }
}

/** A request whose delivery id is still empty: the signature covers the body alone, so each id is only written over. */
export interface Template {
  readonly bytes: Buffer
  readonly idAt: number
}

export function toTemplate(path: string, { headers, body }: SignedIssue): Template {
  const lines = Object.entries({ host: '127.0.0.1', ...headers, 'content-length': String(Buffer.byteLength(body)) })
  const head = `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}`
  const bytes = Buffer.from(`${head}x-github-delivery: ${EMPTY_ID}\r\n\r\n${body}`)
  return { bytes, idAt: bytes.indexOf(EMPTY_ID) }
}

/** 50 µs in the unit of UUID v1. */
const TICKS = 500

/** Unique ids like GitHub's: UUID v1, whose beginning counts 100 ns. `run`: where they start, in ms. */
export function idsOf(run: number): () => string {
  const node = run.toString(16).padStart(12, '0')
  let ticks = run * 10_000
  return () => {
    ticks += TICKS
    const low = (ticks % 2 ** 32).toString(16).padStart(8, '0')
    const mid = (Math.floor(ticks / 2 ** 32) % 2 ** 16).toString(16).padStart(4, '0')
    return `${low}-${mid}-11f0-8f3a-${node}`
  }
}
