import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../../demo/free-port.ts'
import { deployable } from '../../../scripts/deployable.js'
import { packedPackage, plainEnv } from '../../doors/helpers/packed.ts'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../../..')
const READY_WITHIN_MS = 60_000

let installed: Promise<string> | undefined

/** `gen/srv` as `npm run build` makes it, with its dependencies installed as the buildpack does; once per process. */
export function installedProject(): Promise<string> {
  installed ??= install(join(ROOT, '.tmp', `production-${process.pid}`))
  return installed
}

async function install(folder: string): Promise<string> {
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const { tarball } = await packedPackage()
  deployable({ tarball, out: folder })
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  await run(npm, ['ci', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder, env: plainEnv() })
  return folder
}

export interface Production {
  readonly url: string
  output(): string
  /** SIGTERM, as Cloud Foundry and Kubernetes send it. @returns the exit code */
  stop(): Promise<number | null>
  kill(): Promise<void>
}

const environment = (env: Readonly<Record<string, string>>) => ({ ...plainEnv(), NODE_ENV: 'production', ...env })

/** Runs the project as `mta.yaml` starts it, and waits for readiness. @throws with the output where it ends instead */
export async function startProduction(folder: string, env: Readonly<Record<string, string>>): Promise<Production> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, ['node_modules/@sap/cds/bin/serve.js'], {
    cwd: folder,
    env: environment({ ...env, PORT: String(port) }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const giveUpAt = Date.now() + READY_WITHIN_MS
  while (!(await isReady(url))) {
    if (child.exitCode !== null || Date.now() > giveUpAt) {
      child.kill('SIGKILL')
      throw new Error(`it did not become ready (exit code ${child.exitCode}):\n${output}`)
    }
    await pause(50)
  }
  return {
    url,
    output: () => output,
    stop: () => ended(child, 'SIGTERM'),
    kill: async () => void (await ended(child, 'SIGKILL')),
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return child.exitCode
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`)).ok
  } catch (unreachable) {
    if (unreachable instanceof TypeError) return false
    throw unreachable
  }
}

/** The deployer, as the MTA's task and the Kubernetes Job run it. */
export async function runDeployer(folder: string, env: Readonly<Record<string, string>>) {
  const command = ['node_modules/cap-sluice/dist/bin/sluice-deploy.js']
  const result = await run(process.execPath, command, { cwd: folder, env: environment(env) }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code: Number(code), stdout: String(stdout), stderr: String(stderr) }),
  )
  return result
}
