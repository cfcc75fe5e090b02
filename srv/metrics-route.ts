import cds from '@sap/cds'
import type { Application, NextFunction, Request, Response } from 'express'
import express from 'express'
import type { Gateway } from './gateway.ts'

/** Who may read `/metrics`. `open`: anybody who reaches it. `authenticated`: users with a role of the cockpit. */
export type MetricsAccess = 'open' | 'authenticated' | 'off'

export interface MetricsParts {
  readonly metrics: { readonly contentType: string; text(gateway: Gateway | undefined): Promise<string> }
  readonly gateway: () => Gateway | undefined
  /** Undefined: open in development; authenticated in production, where the route is as public as every other. */
  readonly access: () => MetricsAccess | undefined
}

/** Prometheus' usual path, in front of CAP's services and behind the authentication that CAP is configured with. */
export function serveMetrics(app: Application, { metrics, gateway, access }: MetricsParts): void {
  const send = (_request: Request, response: Response, next: NextFunction) => {
    metrics.text(gateway()).then((text) => void response.type(metrics.contentType).send(text), next)
  }
  // Made for the first who needs it: apps may still add to CAP's middlewares.
  let guarded: express.Router | undefined
  app.get('/metrics', (request, response, next) => {
    const who = access() ?? (process.env.NODE_ENV === 'production' ? 'authenticated' : 'open')
    if (who === 'off') next()
    else if (who === 'open') send(request, response, next)
    else {
      guarded ??= express.Router().use(cds.middlewares.before, onlyViewers, send)
      guarded(request, response, next)
    }
  })
}

function onlyViewers(_request: Request, response: Response, next: NextFunction): void {
  const user = cds.context?.user
  if (user?.is('SluiceViewer') || user?.is('SluiceOperator')) next()
  else if (user?.is('authenticated-user')) response.sendStatus(403)
  else response.set('www-authenticate', challenge()).sendStatus(401)
}

const challenge = (): string =>
  ['basic', 'mocked'].includes(String(cds.env.requires.auth?.kind)) ? 'Basic realm="Users"' : 'Bearer'
