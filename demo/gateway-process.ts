import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const ROOT = resolve(import.meta.dirname, '..')
const SERVE = 'node_modules/@sap/cds/bin/serve.js'
const ATTACHED = './demo/attached.js'
const READY_WITHIN_MS = 30_000
/** Shown when it does not start. */
const RECENT_LENGTH = 4_000

export interface GatewayProcess {
  readonly url: string
  /** Of the process that runs now. */
  pid(): number | undefined
  /** The hardest end there is; nothing in the process can prepare for it. */
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Runs the gateway as `npm start` does, in a process of its own. */
export async function gatewayProcess(
  config: unknown,
  env: Readonly<Record<string, string>>,
  port: number,
  onOutput: (text: string) => void,
): Promise<GatewayProcess> {
  const url = `http://127.0.0.1:${port}`
  let recent = ''
  const heard = (text: string) => {
    recent = (recent + text).slice(-RECENT_LENGTH)
    onOutput(text)
  }

  async function start(): Promise<ChildProcess> {
    const started = spawn(process.execPath, [...process.execArgv, '--import', ATTACHED, SERVE], {
      cwd: ROOT,
      env: { ...process.env, ...env, PORT: String(port), CDS_CONFIG: JSON.stringify(config) },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    started.stdout.setEncoding('utf8').on('data', heard)
    started.stderr.setEncoding('utf8').on('data', heard)
    await ready(started)
    return started
  }

  async function ready(started: ChildProcess): Promise<void> {
    const giveUpAt = Date.now() + READY_WITHIN_MS
    while (!(await isReady())) {
      if (started.exitCode !== null) throw new Error(`the gateway ended with ${started.exitCode}:\n${recent}`)
      if (Date.now() > giveUpAt) throw new Error(`the gateway did not become ready:\n${recent}`)
      await pause(50)
    }
  }

  async function isReady(): Promise<boolean> {
    try {
      return (await fetch(`${url}/health/ready`)).ok
    } catch (unreachable) {
      if (unreachable instanceof TypeError) return false
      throw unreachable
    }
  }

  let child = await start()

  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  return {
    url,
    pid: () => child.pid,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    restart: async () => {
      child = await start()
    },
  }
}
