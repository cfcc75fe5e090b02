import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'

export interface SimulatorProcess<Ready> {
  readonly ready: Ready
  readonly pid: number
  stop(): Promise<void>
}

/** Settings of the application under test that would otherwise become settings of a CAP-based simulator. */
const isForeign = (name: string): boolean => /^(cds[_.]|vcap_|port$|node_env$|destinations$)/i.test(name)

/**
 * Runs a simulator in a process of its own, because `cds` is one per process, and waits for the JSON line it prints when
 * it listens. The child's stdin is a pipe: when this process dies, however it dies, the child sees its end and goes too.
 * @param entry the simulator's main module beside `from`, without extension: `.ts` in the sources, `.js` in the package
 */
export const startSimulator = async <Ready>(
  from: string,
  entry: string,
  options: Readonly<Record<string, unknown>>,
): Promise<SimulatorProcess<Ready>> => {
  const script = path.join(path.dirname(from), entry + path.extname(from))
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)))
  const child = spawn(process.execPath, [script, '--attached', '--options', JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
  })
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  try {
    return { ready: await readyLine<Ready>(child, entry), pid: child.pid ?? 0, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const readyLine = <Ready>(child: ChildProcess, entry: string): Promise<Ready> =>
  new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(new Error(`${entry} ended with ${signal ?? code} before it listened; its reason is on standard error`)),
    )
    if (!child.stdout) throw new Error('the simulator has no standard output')
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      if (line.startsWith('{"ready":true')) resolve(JSON.parse(line) as Ready)
    })
  })

/** What the child does at its end of the pipe. */
export const announceReady = (attached: boolean, ready: Readonly<Record<string, unknown>>): void => {
  if (attached) process.stdin.resume().once('close', () => process.exit(0))
  process.stdout.write(`${JSON.stringify({ ready: true, ...ready })}\n`)
}
