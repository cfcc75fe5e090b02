import type { IncomingMessage, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import cds from '@sap/cds'
import type { Application, Request, Response } from 'express'
import express from 'express'
import { SluiceError } from '#domain/errors'
import type { Inbox } from '#domain/ports'
import { serveCockpit } from './cockpit-handlers.ts'
import { readConfig, type SluiceConfig } from './config.ts'
import type { Gateway } from './gateway.ts'
import { sendReply } from './http.ts'
import { retryLater } from './runtime/problem.ts'
import { capParts, wire } from './wiring.ts'

const MAX_CLOCK_OFFSET_MS = 5_000
const DEFAULT_STOP_MS = 10_000
const COCKPIT = 'CockpitService'

/** Hooks Sluice into a CAP app. Only `cds.on(…)`: nothing happens in a build, and nothing without configuration. */
export function activate(): void {
  if (!cds.requires.sluice) return
  const { log, openInbox } = capParts(cds)
  let gateway: Gateway | undefined
  let inbox: Inbox | undefined
  let config: SluiceConfig = {}

  const started = (): Gateway => {
    if (gateway) return gateway
    throw new SluiceError('not-started', 'The gateway is starting.', { httpStatus: 503 })
  }

  cds.on('bootstrap', (app: Application) => {
    takeWebhooks(app, (request, response) => {
      if (gateway) gateway.express()(request, response)
      else sendReply(response, retryLater('not-started', 1_000))
    })
    app.get('/health', (_request: Request, response: Response) => void response.json({ status: 'UP' }))
    app.get('/health/ready', async (_request: Request, response: Response) => {
      const { ready, reason } = await readiness(gateway)
      response.status(ready ? 200 : 503).json({ status: ready ? 'UP' : 'DOWN', ...(reason ? { reason } : {}) })
    })
    app.use('/cockpit', express.static(fileURLToPath(new URL('../app/cockpit', packageRoot()))))
  })

  cds.on('serving', (service: cds.Service) => {
    if (service.name !== COCKPIT) return
    serveCockpit(service, {
      admin: () => started().admin,
      database: () => cds.connect.to('sluice-db'),
      config: () => config,
      lastDeliveryAt: async (source) => inbox?.journal.lastDeliveryAt(source),
    })
  })

  // A wrong configuration ends the start here, with its path and remedy, instead of refusing webhooks for a week.
  cds.on('served', async () => {
    config = readConfig(cds.requires.sluice, process.env)
    const store = openInbox()
    inbox = store
    const wired = await wire({ config, inbox: store, log, root: cds.root })
    await wired.start()
    gateway = wired
  })

  cds.on('listening', ({ server }: { server: { on(event: 'close', run: () => void): void } }) => {
    server.on('close', () => void gateway?.stop({ timeoutMs: 0 }))
  })

  // CAP awaits this before it closes the listener: meanwhile deliveries are still stored.
  cds.on('shutdown', async () => {
    await gateway?.drain({ timeoutMs: config.stopTimeoutMs ?? DEFAULT_STOP_MS })
  })
}

const WEBHOOKS = '/webhooks/'

/**
 * Before CAP's CORS and body parsers: signatures are over raw bytes, and CORS would swallow Event Mesh's handshake. And
 * before Express itself, which gives every request another prototype: that alone costs more than a signature.
 */
function takeWebhooks(app: Application, take: (request: IncomingMessage, response: ServerResponse) => void): void {
  const routed = app as unknown as { handle: (...parts: [IncomingMessage, ServerResponse, ...unknown[]]) => void }
  const { handle } = routed
  routed.handle = (request, response, ...rest) => {
    if (request.url?.startsWith(WEBHOOKS)) take(request, response)
    else handle.call(app, request, response, ...rest)
  }
}

async function readiness(gateway: Gateway | undefined): Promise<{ ready: boolean; reason?: string }> {
  if (!gateway) return { ready: false, reason: 'starting' }
  const { ok, reason, state, clockOffsetMs = 0 } = await gateway.health()
  if (state !== 'started') return { ready: false, reason: state }
  if (!ok) return { ready: false, reason: reason ?? 'store' }
  if (Math.abs(clockOffsetMs) > MAX_CLOCK_OFFSET_MS) return { ready: false, reason: 'clock' }
  return { ready: true }
}

/** The package's folder, whether this file runs from srv/ or from dist/srv/. */
const packageRoot = (): URL => new URL(import.meta.url.includes('/dist/srv/') ? '../../srv/' : './', import.meta.url)
