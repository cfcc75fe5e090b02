import { execFile, spawn } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../../demo/free-port.ts'
import { deployable } from '../../../scripts/deployable.js'
import { packedPackage, plainEnv } from '../../doors/helpers/packed.ts'
import { outputOf } from '../../helpers/child-output.ts'
import { readGuide } from '../../helpers/guide.ts'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../../..')
const DEPLOY_GUIDE = readGuide('docs/guides/deploy-to-btp.md')
const READY_WITHIN_MS = 60_000

let installed: Promise<string> | undefined
let router: Promise<string> | undefined

/** `gen/srv` as `npm run build` makes it, with its dependencies installed as the buildpack does; once per process. */
export function installedProject(): Promise<string> {
  installed ??= install(join(ROOT, '.tmp', `production-${process.pid}`))
  return installed
}

async function install(folder: string): Promise<string> {
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const { tarball } = await packedPackage()
  deployable({ tarball, out: folder })
  await npmCi(folder)
  return folder
}

/** `deploy/router` as the MTA's builder makes it; once per process. */
export function installedRouter(): Promise<string> {
  router ??= installRouter(join(ROOT, '.tmp', `router-${process.pid}`))
  return router
}

async function installRouter(folder: string): Promise<string> {
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  cpSync(join(ROOT, 'deploy/router'), folder, { recursive: true })
  await npmCi(folder)
  return folder
}

const npmCi = (cwd: string) => {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  return run(npm, ['ci', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'], { cwd, env: plainEnv() })
}

export interface Production {
  readonly url: string
  output(): string
  /** SIGTERM, as Cloud Foundry and Kubernetes send it. @returns the exit code, or the signal where it ended by that */
  stop(): Promise<number | string>
  kill(): Promise<void>
}

const environment = (env: Readonly<Record<string, string>>) => ({ ...plainEnv(), NODE_ENV: 'production', ...env })

/** Runs the project as `mta.yaml` starts it, and waits for readiness. @throws with the output where it ends instead */
export const startProduction = (folder: string, env: Readonly<Record<string, string>>): Promise<Production> =>
  start(folder, 'node_modules/@sap/cds/bin/serve.js', '/health/ready', env)

/** Runs the router as its buildpack does: `npm start`, less npm. */
export const startRouter = (folder: string, env: Readonly<Record<string, string>>): Promise<Production> =>
  start(folder, 'node_modules/@sap/approuter/approuter.js', '/cockpit/', env)

async function start(
  folder: string,
  script: string,
  path: string,
  env: Readonly<Record<string, string>>,
): Promise<Production> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, [script], {
    cwd: folder,
    env: environment({ ...env, PORT: String(port) }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { text, ended } = outputOf(child)
  const giveUpAt = Date.now() + READY_WITHIN_MS
  while (!(await answers(url + path))) {
    if (child.exitCode !== null || Date.now() > giveUpAt) {
      child.kill('SIGKILL')
      throw new Error(`it did not become ready (exit code ${child.exitCode}):\n${text()}`)
    }
    await pause(50)
  }
  return {
    url,
    output: text,
    stop() {
      child.kill('SIGTERM')
      return ended
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    // The router's first answer is the way to the log-on.
    return (await fetch(url, { redirect: 'manual' })).status < 400
  } catch (unreachable) {
    if (unreachable instanceof TypeError) return false
    throw unreachable
  }
}

/** The deployer, as the guide, the MTA's task and the Kubernetes Job run it. */
export async function runDeployer(folder: string, env: Readonly<Record<string, string>>) {
  const [, script = ''] = /^node (\S+sluice-deploy\.js)$/m.exec(DEPLOY_GUIDE.commands().join('\n')) ?? []
  const result = await run(process.execPath, [script], { cwd: folder, env: environment(env) }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code: Number(code), stdout: String(stdout), stderr: String(stderr) }),
  )
  return result
}
