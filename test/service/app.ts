import { createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../demo/free-port.ts'
import { type GatewayProcess, gatewayProcess } from '../../demo/gateway-process.ts'
import { MOCKED_AUTH } from '../helpers/mocked-auth.ts'

export interface TestApp extends GatewayProcess {
  /** Everything the process wrote. */
  output(): string
  request(
    path: string,
    options?: { user?: string; method?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer>
  /** A signed delivery. */
  deliver(id: string, body?: string, type?: string, source?: string): Promise<Answer>
  cleanUp(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  json<T = { value: Record<string, unknown>[] }>(): T
}

/** This checkout as a CAP app of its own, with one signed source and what a test adds. */
export async function testApp(
  sluice: Record<string, unknown> = {},
  requires: Record<string, unknown> = {},
  env: Record<string, string> = {},
): Promise<TestApp> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-app-'))
  const secret = randomBytes(16).toString('hex')
  let output = ''
  const config = {
    requires: {
      db: false,
      'sluice-db': { kind: 'sqlite', credentials: { url: join(folder, 'sluice.db') } },
      auth: MOCKED_AUTH,
      ...requires,
      sluice: {
        ...sluice,
        sources: {
          ...(sluice.sources as object | undefined),
          orders: {
            kind: 'hmac',
            secrets: ['env:TEST_SECRET'],
            header: 'x-signature',
            encoding: 'hex',
            id: 'x-event-id',
            type: 'x-event-type',
          },
        },
      },
    },
  }
  const gateway = await gatewayProcess(config, { ...env, TEST_SECRET: secret }, await freePort(), (text) => {
    output += text
  })
  const request: TestApp['request'] = async (path, { user, method = 'GET', body, headers = {} } = {}) => {
    const authorization: Record<string, string> = user
      ? { authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}` }
      : {}
    const content: RequestInit =
      body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
    const answer = await fetch(gateway.url + path, {
      method,
      headers: { 'content-type': 'application/json', ...authorization, ...headers },
      ...content,
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) }
  }
  return {
    ...gateway,
    output: () => output,
    request,
    deliver: (id, body = '{}', type = 'order.created', source = 'orders') =>
      request(`/webhooks/${source}`, {
        method: 'POST',
        body,
        headers: {
          'x-event-id': id,
          'x-event-type': type,
          'x-signature': createHmac('sha256', secret).update(body).digest('hex'),
        },
      }),
    async cleanUp() {
      await gateway.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
