import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import cds from '@sap/cds'
import type { Application, Request, Response } from 'express'
import express from 'express'
import { isBelowAliasRoot } from '#domain/alias'
import { SluiceError } from '#domain/errors'
import { HTTP_ROOT } from '#domain/http-path'
import type { Inbox } from '#domain/ports'
import { registerFacet } from './cap/add-facet.ts'
import { inAppContext } from './cap/app-context.ts'
import { registerBuildTask } from './cap/build-task.ts'
import { emitter } from './cap/emit.ts'
import { COCKPIT, hasOwnModel, keepTablesApart } from './cap/own-model.ts'
import { checkCopies, checkRequires, checkVersion, completeRequires, type Requires } from './cap/requires.ts'
import { sluiceService } from './cap/sluice-service.ts'
import { serveCockpit } from './cockpit-handlers.ts'
import { readConfig, type SluiceConfig } from './config.ts'
import type { Gateway, Handler, Subscription } from './gateway.ts'
import { sendReply } from './http.ts'
import { serveMetrics } from './metrics-route.ts'
import { retryLater } from './runtime/problem.ts'
import { capParts, wire } from './wiring.ts'

export type { SluiceOptions, SluiceService } from './cap/sluice-service.ts'
export type { Handler, HandlerContext, HandlerEvent } from './gateway.ts'

const MAX_CLOCK_OFFSET_MS = 5_000
/** Cloud Foundry sends SIGKILL ten seconds after SIGTERM, and CAP waits a second of them for the listener. */
const DEFAULT_STOP_MS = 8_000

/**
 * Hooks Sluice into a CAP app. Only `cds.on(…)`: nothing happens in a build, and nothing without configuration.
 * @throws SluiceError `configuration` where the app has another copy of `@sap/cds`, or too old a one
 */
export function activate(): void {
  checkCopies(cds.home, installedCds(cds.root))
  checkVersion(cds.version)
  registerFacet(cds)
  registerBuildTask(cds)
  keepTablesApart(cds)
  const { log, openInbox, metrics, ...fromApp } = capParts(cds)
  const subscriptions: Subscription[] = []
  let starting = false
  let gateway: Gateway | undefined
  let inbox: Inbox | undefined
  let config: SluiceConfig = {}

  const started = (): Gateway => {
    if (gateway) return gateway
    throw new SluiceError('not-started', 'The gateway is starting.', { httpStatus: 503 })
  }

  const requires = cds.env.requires as unknown as Requires
  const configured = Boolean(requires.sluice)
  completeRequires(requires, sluiceService({ configured, add, gateway: started }))
  if (!configured) {
    cds.on('served', () => log.info('not configured: write cds.requires.sluice, or run cds add sluice'))
    return
  }

  function add(subscription: Subscription): void {
    if (starting) {
      throw new SluiceError('configuration', `sluice.on(${subscription.name}): it came after the start.`, {
        retry: 'never',
        remedy:
          'Call it in server.js, in the init() of a service or in cds.on("served"): events were missed otherwise.',
      })
    }
    subscriptions.push(subscription)
  }

  cds.on('bootstrap', (app: Application) => {
    takeWebhooks(app, (request, response, next) => {
      if (gateway) gateway.express()(request, response, next)
      else sendReply(response, retryLater('not-started', 1_000))
    })
    app.get('/health', (_request: Request, response: Response) => void response.json({ status: 'UP' }))
    app.get('/health/ready', async (_request: Request, response: Response) => {
      const { ready, ...why } = await readiness(gateway)
      response.status(ready ? 200 : 503).json({ status: ready ? 'UP' : 'DOWN', ...why })
    })
    serveMetrics(app, { metrics, gateway: () => gateway, access: () => config.metrics?.access })
    const cockpit = express.static(fileURLToPath(new URL('../app/cockpit', packageRoot())))
    // Without its service, which comes by `using from 'cap-sluice'`, it would show nothing but faults.
    app.use('/cockpit', (...parts) => (hasOwnModel(cds.model?.definitions) ? cockpit(...parts) : parts[2]()))
  })

  cds.on('serving', (service: cds.Service) => {
    if (service.name !== COCKPIT || !hasOwnModel(cds.model?.definitions)) return
    serveCockpit(service, {
      admin: () => started().admin,
      database: () => cds.connect.to('sluice-db'),
      config: () => config,
      lastDeliveryAt: async (source) => inbox?.journal.lastDeliveryAt(source),
      risks: async () => (await gateway?.health())?.risks ?? [],
    })
  })

  // A wrong configuration ends the start here, with its path and remedy, instead of refusing webhooks for a week.
  const start = async () => {
    starting = true
    checkRequires(requires, process.env)
    config = readConfig(cds.requires.sluice, { ...requires.sluice?.credentials, ...process.env })
    const store = openInbox()
    inbox = store
    const app = {
      subscriptions,
      within: (handler: Handler) => inAppContext(cds, handler),
      emitter: (subscription: string, service: string) => emitter(cds, subscription, service),
    }
    const wired = await wire({
      config,
      inbox: store,
      log,
      meter: metrics.meter,
      root: cds.root,
      ...fromApp,
      app,
    })
    await wired.start()
    gateway = wired
  }

  // `served` handlers run one after another. The app's own, wherever it registers them, come first: they call sluice.on.
  const startLast = () => {
    const events = cds as unknown as EventEmitter
    events.off('served', start)
    events.on('served', start)
  }
  cds.on('bootstrap', startLast)
  cds.on('serving', startLast)

  cds.on('listening', ({ server }: { server: { on(event: 'close', run: () => void): void } }) => {
    server.on('close', () => void gateway?.stop({ timeoutMs: 0 }))
  })

  // CAP awaits this before it closes the listener: meanwhile deliveries are still stored.
  cds.on('shutdown', async () => {
    await gateway?.drain({ timeoutMs: config.stopTimeoutMs ?? DEFAULT_STOP_MS })
  })
}

const WEBHOOKS = '/webhooks/'

type Take = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void

/**
 * Before CAP's CORS and body parsers: signatures are over raw bytes, and CORS would swallow Event Mesh's handshake. And
 * before Express itself, which gives every request another prototype: that alone costs more than a signature.
 */
function takeWebhooks(app: Application, take: Take): void {
  const routed = app as unknown as { handle: (...parts: [IncomingMessage, ServerResponse, ...unknown[]]) => void }
  const { handle } = routed
  routed.handle = (request, response, ...rest) => {
    const pass = () => handle.call(app, request, response, ...rest)
    if (request.url?.startsWith(WEBHOOKS)) take(request, response)
    // An app may serve other paths below it, and CAP's own messaging the queues that are none of ours.
    else if (request.url && (request.url.startsWith(HTTP_ROOT) || isBelowAliasRoot(request.url)))
      take(request, response, pass)
    else pass()
  }
}

/** `risks`: how many alarms and risks operators find in the cockpit. They never turn readiness off, and have no names here. */
async function readiness(gateway: Gateway | undefined): Promise<{ ready: boolean; reason?: string; risks?: number }> {
  if (!gateway) return { ready: false, reason: 'starting' }
  const { ok, reason, state, clockOffsetMs = 0, risks } = await gateway.health()
  if (state !== 'started') return { ready: false, reason: state }
  if (!ok) return { ready: false, reason: reason ?? 'store' }
  if (Math.abs(clockOffsetMs) > MAX_CLOCK_OFFSET_MS) return { ready: false, reason: 'clock' }
  return { ready: true, ...(risks ? { risks: risks.length } : {}) }
}

/** Where the app's own `@sap/cds` lies, or undefined where it has none. */
function installedCds(root: string): string | undefined {
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve('@sap/cds/package.json'))
  } catch {
    // Nothing to compare with: an app that cds was started for from elsewhere.
    return undefined
  }
}

/** The package's folder, whether this file runs from srv/ or from dist/srv/. */
const packageRoot = (): URL => new URL(import.meta.url.includes('/dist/srv/') ? '../../srv/' : './', import.meta.url)
