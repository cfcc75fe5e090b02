import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { type ChildOutput, outputOf } from '../../helpers/child-output.ts'
import { linkTree } from '../../helpers/link-tree.ts'
import { checkoutFolder, oncePerRun } from '../../helpers/run.ts'
import { packedPackage, plainEnv } from './packed.ts'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../../..')
const CDS = join(ROOT, 'node_modules/@sap/cds-dk/bin/cds.js')
const SERVE = join(ROOT, 'node_modules/@sap/cds/bin/serve.js')
const DEPLOY = join(ROOT, 'node_modules/@sap/cds/bin/deploy.js')
const MOCHA = join(ROOT, 'node_modules/mocha/bin/mocha.js')
/** How long rows may take. */
const ROWS_WITHIN_MS = 50_000
const LISTENING =
  /server listening on \{ url: '([^']+)' \}|"url":"(http:[^"]+)"|listening on .*?(http:\/\/localhost:\d+)/

interface CapAppOptions {
  /** Facets for `cds init --add`, e.g. `typescript` or `cjs`. */
  readonly add?: readonly string[]
  /** The `cds` section of package.json. */
  readonly cds?: Readonly<Record<string, unknown>>
  readonly files?: Readonly<Record<string, string>>
  /** Further packages of the app, out of those that this checkout has. */
  readonly dependencies?: readonly string[]
}

/** A project as `cds init` makes it, with cap-sluice from the packed tarball. */
export interface CapApp {
  readonly folder: string
  /** Of the source `orders` in `ORDERS_SOURCE`. */
  readonly secret: string
  read(path: string): string
  write(path: string, text: string): void
  /** Runs the cds command line. */
  cds(...args: string[]): Promise<string>
  /** Runs `cds-deploy`, as the deployer module of an MTA does. */
  deploy(env: Readonly<Record<string, string>>, from?: string): Promise<string>
  /** Checks types by the app's tsconfig.json. @returns what the compiler says */
  tsc(compiler: string): Promise<string>
  /** Runs tests of the app's own. */
  mocha(file: string): Promise<string>
  /** Starts it and waits until it listens. @throws where it ends before */
  start(options?: StartOptions): Promise<RunningApp>
  /** Starts it and waits for its end, which must come before it listens. */
  startFails(options?: StartOptions): Promise<{ code: number | string; output: string }>
  cleanUp(): Promise<void>
}

interface StartOptions {
  readonly command?: 'serve' | 'watch'
  readonly args?: readonly string[]
  /** Below the app, where it is not the app itself: what `cds build` made. */
  readonly from?: string
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
}

export interface RunningApp {
  readonly url: string
  output(): string
  readonly says: ChildOutput['says']
  /** A signed delivery to the source `orders`. */
  deliver(id: string, data: unknown, type?: string): Promise<Response>
  /** What an OData collection holds, once it holds `count` rows or more. @throws with the output where it never does */
  rows(path: string, count: number): Promise<Record<string, unknown>[]>
  stop(): Promise<void>
}

/** Signs in `deliver` with the app's secret. */
export const ORDERS_SOURCE = {
  kind: 'hmac',
  secrets: ['env:ORDERS_SECRET'],
  header: 'x-signature',
  encoding: 'hex',
  id: 'x-event-id',
  type: 'x-event-type',
}

export const ORDERS_MODEL = {
  'db/schema.cds': `namespace app; using { managed } from '@sap/cds/common';
entity Orders : managed { key ID : String(50); amount : Integer; }`,
  'srv/orders-service.cds': `using { app } from '../db/schema';
@requires: 'any' service OrdersService { entity Orders as projection on app.Orders; }`,
}

/** What `cds init` makes; many apps begin as a copy of it. */
const initialized = (facets: string): Promise<string> =>
  oncePerRun(`cds-init-${facets}`, async () => {
    const home = join(checkoutFolder(), facets)
    const folder = join(home, 'app')
    mkdirSync(home, { recursive: true })
    const env = { ...plainEnv(), HOME: home, CDS_USER_HOME: home }
    await run(process.execPath, [CDS, 'init', folder, '--add', facets], { cwd: home, env })
    return folder
  })

export async function capApp(options: CapAppOptions = {}): Promise<CapApp> {
  const { folder: sluice } = await packedPackage()
  const project = await initialized(['nodejs', ...(options.add ?? [])].join(','))
  mkdirSync(join(ROOT, '.tmp'), { recursive: true })
  const home = mkdtempSync(join(ROOT, '.tmp', 'cap-app-'))
  const folder = join(home, 'app')
  const secret = randomBytes(16).toString('hex')
  const children = new Set<ChildProcess>()
  const env = (more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
    ...plainEnv(),
    // Where CAP keeps what it knows of other apps of this user, and its own settings.
    HOME: home,
    CDS_USER_HOME: home,
    ORDERS_SECRET: secret,
    PORT: '0',
    ...more,
  })
  const node = async (
    script: string,
    args: readonly string[],
    more?: Readonly<Record<string, string>>,
    cwd: string = folder,
  ) => {
    const { stdout, stderr } = await run(process.execPath, [script, ...args], { cwd, env: env(more) })
    return stdout + stderr
  }
  const path = (name: string) => join(folder, name)
  const write: CapApp['write'] = (name, text) => {
    mkdirSync(dirname(path(name)), { recursive: true })
    writeFileSync(path(name), text)
  }

  cpSync(project, folder, { recursive: true })
  linkTree(sluice, path('node_modules/cap-sluice'))
  const manifest = JSON.parse(readFileSync(path('package.json'), 'utf8'))
  for (const name of ['cap-sluice', ...(options.dependencies ?? [])]) manifest.dependencies[name] = '>=0'
  if (options.cds) manifest.cds = options.cds
  write('package.json', JSON.stringify(manifest, null, 2))
  for (const [name, text] of Object.entries(options.files ?? {})) write(name, text)

  function launch({ command = 'serve', args = ['--in-memory?'], from = '.', env: more, uid }: StartOptions = {}) {
    const line = command === 'serve' ? [SERVE, ...args] : [CDS, 'watch', '--port', '0', ...args]
    // `cds watch` finds tsx by itself.
    const typescript = command === 'serve' && options.add?.includes('typescript')
    const child = spawn(process.execPath, line, {
      cwd: path(from),
      env: env({ ...(typescript ? { CDS_TYPESCRIPT: 'true' } : {}), ...more }),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: cds watch runs the server in a child.
      detached: true,
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    children.add(child)
    return { child, ...outputOf(child) }
  }

  async function stopChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    children.delete(child)
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    const ended = once(child, 'exit')
    process.kill(-child.pid, signal)
    await ended
  }

  return {
    folder,
    secret,
    read: (name) => readFileSync(path(name), 'utf8'),
    write,
    cds: (...args) => node(CDS, args),
    deploy: (more, from = '.') => node(DEPLOY, [], more, path(from)),
    tsc: (compiler) =>
      node(join(ROOT, 'node_modules', compiler, 'bin/tsc'), ['-p', '.']).catch(({ stdout }) => String(stdout)),
    mocha: (file) => node(MOCHA, ['--no-config', '--exit', '--timeout', '30000', file]),
    async start(how) {
      const { child, text: output, says } = launch(how)
      await says(LISTENING)
      const [, plain, json, other] = LISTENING.exec(output()) ?? []
      const url = (plain ?? json ?? other ?? '').replace('localhost', '127.0.0.1')
      return {
        url,
        output,
        says,
        deliver: (id, data, type = 'order.created.v1') => {
          const body = JSON.stringify(data)
          const signature = createHmac('sha256', secret).update(body).digest('hex')
          const headers = {
            'content-type': 'application/json',
            'x-event-id': id,
            'x-event-type': type,
            'x-signature': signature,
          }
          return fetch(`${url}/webhooks/orders`, { method: 'POST', body, headers })
        },
        async rows(collection, count) {
          const giveUpAt = Date.now() + ROWS_WITHIN_MS
          for (;;) {
            const answer = await fetch(url + collection)
            const { value } = (await answer.json()) as { value?: Record<string, unknown>[] }
            if (!value) throw new Error(`${collection} answers ${answer.status}:\n${output()}`)
            if (value.length >= count) return value
            if (Date.now() > giveUpAt) throw new Error(`${collection} still has ${value.length} rows:\n${output()}`)
          }
        },
        stop: () => stopChild(child, 'SIGTERM'),
      }
    },
    async startFails(how) {
      const { child, text, ended } = launch(how)
      const code = await ended
      children.delete(child)
      return { code, output: text() }
    },
    async cleanUp() {
      await Promise.all([...children].map((child) => stopChild(child, 'SIGKILL')))
      rmSync(home, { recursive: true, force: true })
    },
  }
}
