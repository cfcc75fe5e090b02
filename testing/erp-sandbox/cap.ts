import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { format } from 'node:util'
import cds, { type ApplicationService, type DatabaseService } from '@sap/cds'
import express, { type RequestHandler } from 'express'

const require = createRequire(import.meta.url)
/** Missing in the types of @sap/cds. */
const deployment = cds as unknown as { deploy(csn: object): { to(db: object, options: object): Promise<unknown> } }
/** Its declarations say `export default`, its code `module.exports =`. */
const cov2ap: (options: object) => RequestHandler = require('@cap-js-community/odata-v2-adapter')

type Row = Readonly<Record<string, unknown>>
type Run = (sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>

export interface SandboxDatabase {
  /** In the transaction of the request that is being handled, if any. */
  readonly run: Run
  /** In a transaction of its own. */
  readonly runAlone: Run
}

/**
 * Starts CAP on the sandbox's own model and database, in this process's only `cds`. The model ships as .cds files beside
 * the sources, also where this code runs compiled from dist/: it is found through the package, never through this file.
 * @param database SQLite file, or `:memory:`
 * @param port where the returned application will listen; the V2 adapter calls the V4 services there
 */
export const startCap = async (database: string, port: number) => {
  const packageFile = require.resolve('cap-sluice/package.json')
  cds.root = path.join(path.dirname(packageFile), 'testing', 'erp-sandbox', 'project')
  isolate(database)
  Object.assign(cds.log, { Logger: errorsOnly })
  const csn = await cds.load([path.join(cds.root, 'index.cds')])
  cds.model = cds.compile.for.nodejs(csn)
  const db = (await cds.connect.to('db')) as DatabaseService
  cds.db = db
  const run: Run = (sql, values = []) => db.run(sql, [...values])
  const runAlone: Run = async (sql, values) => await cds.tx({}, () => run(sql, values))
  const [deployed] = await run(`SELECT name FROM sqlite_master WHERE name = 'sandbox_SenderLog'`)
  if (!deployed) await deployment.deploy(csn).to(db, { silent: true })
  const app = express()
  app.use(
    cov2ap({
      path: 'sap/opu/odata/sap',
      targetPath: 'sap/opu/odata4/sap',
      target: `http://127.0.0.1:${port}`,
      registerOnListening: false,
      httpAgent: new http.Agent({ keepAlive: true }),
    }),
  )
  await cds.serve('all').from(csn).in(app)
  const serviceOf = (name: string): ApplicationService => cds.services[name] as ApplicationService
  return { app, serviceOf, database: { run, runAlone } }
}

/** What the application under test is told by its environment would otherwise be told to this ERP. */
const isForeign = (name: string): boolean => /^(cds[_.].*|vcap_.*|node_env|destinations)$/i.test(name)

/** Own settings only: nothing of the application, the user's home or the environment. */
const isolate = (database: string): void => {
  for (const name of Object.keys(process.env)) if (isForeign(name)) delete process.env[name]
  process.env.CDS_USER_HOME = cds.root
  process.env.CDS_CONFIG = JSON.stringify({
    requires: {
      db: { kind: 'sqlite', impl: '@cap-js/sqlite', credentials: { url: database } },
      auth: { kind: 'dummy' },
      queue: false,
      scheduling: false,
    },
    runtime: { put_as_upsert: false },
    server: { shutdown_on_uncaught_errors: false, body_parser: { limit: '20mb' } },
  })
}

/** What CAP finds wrong with a request is in its answer; only what breaks the sandbox is told. */
const errorsOnly = (label?: string) => {
  const silent = () => undefined
  const error = (...parts: unknown[]) => void process.stderr.write(`[${label}] ${format(...parts)}\n`)
  return { trace: silent, debug: silent, log: silent, info: silent, warn: silent, error }
}
