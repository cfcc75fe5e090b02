import type { ServerResponse } from 'node:http'
import type { Target } from '#domain/target'
import { type ODataTargetOptions, odataTarget } from '../../../adapters/odata/index.ts'
import {
  reply,
  type Script,
  type ScriptedServer,
  type SeenRequest,
  scriptedServer,
} from '../../helpers/scripted-server.ts'

export interface Opened {
  readonly server: ScriptedServer
  readonly target: Target
}

/** Closes what a test file opened, after each test. */
export function openings() {
  const opened: Opened[] = []
  afterEach(async () => {
    for (const { server, target } of opened.splice(0)) {
      await target.close?.()
      await server.close()
    }
  })
  return async (script: Script, options: Partial<ODataTargetOptions> = {}): Promise<Opened> => {
    const server = await scriptedServer(script)
    const target = odataTarget({
      version: 'v4',
      url: `${server.url}/srv`,
      auth: { kind: 'none' },
      entities: {
        Orders: { key: ['ID'], object: 'Order', version: 'ChangedAt', reference: 'Ref', guard: 'SourceAt' },
        Notes: { key: ['ID'], onAmbiguous: 'park' },
        Hints: { key: ['ID'], onAmbiguous: 'repeat' },
        Lists: { key: ['ID'], readonly: true },
      },
      ...options,
    })
    const both = { server, target }
    opened.push(both)
    return both
  }
}

export const isRoot = ({ url }: SeenRequest): boolean => /^\/srv\/(\?.*)?$/.test(url)

/** Answers token fetches with token and cookies, and leaves all else to `script`. */
export const withToken =
  (
    script: Script,
    token = 'token-1',
    cookies: readonly string[] = ['SAP_SESSIONID=abc%3d; path=/; HttpOnly'],
  ): Script =>
  (request, response) =>
    isRoot(request)
      ? reply(response, 200, undefined, { 'x-csrf-token': token, 'set-cookie': cookies })
      : script(request, response)

export const created = (response: ServerResponse, data: object = { ID: '1', ChangedAt: '2026-01-01T00:00:00Z' }) =>
  reply(response, 201, { '@odata.etag': 'W/"1"', ...data })

export const v4Error = (code: string, message = 'refused') => ({ error: { code, message } })

/** A V4 record with its etag. */
export const record = (etag: string, more: object = {}) => ({ '@odata.etag': `W/"${etag}"`, ID: '1', ...more })

export const at = (day: number) => `2026-01-0${day}T00:00:00Z`
