import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export interface SimulatorProcess<Ready> {
  readonly ready: Ready
  readonly pid: number
  stop(): Promise<void>
}

/**
 * Runs a simulator in a process of its own, because `cds` is one per process, and waits for the JSON line it prints when
 * it listens. The child's stdin is a pipe: when this process dies, however it dies, the child sees its end and goes too.
 * It needs none of this process's Node options: a simulator is plain TypeScript or, in the package, plain JavaScript.
 * @param entry the simulator's main module beside `from`, without extension: `.ts` in the sources, `.js` in the package
 */
export const startSimulator = async <Ready>(
  from: string,
  entry: string,
  options: Readonly<Record<string, unknown>>,
): Promise<SimulatorProcess<Ready>> => {
  const script = path.join(path.dirname(from), entry + path.extname(from))
  const child = spawn(process.execPath, [script, '--attached', '--options', JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  try {
    const ready = await readyLine<Ready>(child, child.stdout)
    child.stderr.pipe(process.stderr)
    return { ready, pid: child.pid ?? 0, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const readyLine = <Ready>(child: ChildProcess, stdout: Readable): Promise<Ready> =>
  new Promise((resolve, reject) => {
    let complaint = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk).slice(-2000)
    })
    child.once('error', reject)
    child.once('close', (code, signal) =>
      reject(new Error(`the simulator ended with ${signal ?? code} before it listened:\n${complaint}`)),
    )
    createInterface({ input: stdout }).on('line', (line) => {
      if (!line.startsWith('{"ready":true')) return
      child.stderr?.removeAllListeners('data')
      resolve(JSON.parse(line) as Ready)
    })
  })

/** What the child does: tell where it listens, and end with its parent. */
export const announceReady = (attached: boolean, ready: Readonly<Record<string, unknown>>): void => {
  if (attached) process.stdin.resume().once('close', () => process.exit(0))
  process.stdout.write(`${JSON.stringify({ ready: true, ...ready })}\n`)
}
