import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

export const ROOT = resolve(import.meta.dirname, '..')

/** Where `--profile` wants a CPU profile of every process of the product. */
let profileFolder: string | undefined

export const profileInto = (folder: string | undefined): void => {
  profileFolder = folder
}

export const profiling = (): string[] =>
  profileFolder ? ['--cpu-prof', `--cpu-prof-dir=${resolve(profileFolder)}`] : []

/** As the Dockerfile and mta.yaml start it. */
export const SHIPPED = ['--max-semi-space-size=8']

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

export interface Child {
  readonly process: ChildProcess
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

export function start(
  args: readonly string[],
  stdio: ('pipe' | 'ignore' | 'inherit')[],
  env: Readonly<Record<string, string>> = {},
): Child {
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio,
  })
  running.add(child)
  const ended = once(child, 'exit').then(() => running.delete(child))
  return {
    process: child,
    async stop(signal = 'SIGTERM') {
      if (running.has(child)) child.kill(signal)
      await ended
    },
  }
}

/** Starts a script of this folder. @returns the child and the first line it prints, which is JSON. */
export async function startScript<Ready>(
  script: string,
  argument: string,
  execArgs: readonly string[] = [],
): Promise<Child & { readonly ready: Ready }> {
  const child = start([...execArgs, join('bench', `${script}.ts`), argument], ['pipe', 'pipe', 'inherit'])
  const { stdout } = child.process
  if (!stdout) throw new Error('the child has no standard output')
  const lines = createInterface({ input: stdout })
  const line = await new Promise<string>((fulfil, reject) => {
    lines.once('line', fulfil)
    child.process.once('exit', (code) => reject(new Error(`bench/${script}.ts ended with ${code}; see above`)))
  })
  return { ...child, ready: JSON.parse(line) as Ready }
}

/** Runs a script of this folder to its end. @returns the one line it prints. */
export async function runScript<Result>(
  script: string,
  options: object,
  execArgs: readonly string[] = [],
): Promise<Result> {
  const { process: child, ready } = await startScript<Result>(script, JSON.stringify(options), execArgs)
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return ready
}
