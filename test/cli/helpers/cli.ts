import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { main } from '../../../bin/cli.ts'

export const ROOT = resolve(import.meta.dirname, '../../..')
const ENTRY = resolve(ROOT, 'bin/sluice.ts')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
  /** How to run it; this checkout's sources by default. */
  readonly command?: readonly string[]
}

export const NODE_COMMAND: readonly string[] = [
  process.execPath,
  '-C',
  'sluice-source',
  '--import',
  resolve(ROOT, 'scripts/development.js'),
  ENTRY,
]

/** A plain environment: what the developer who runs the tests has set must not reach the command line. */
function plainEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR, NODE_COMPILE_CACHE } = process.env
  return { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }), ...extra }
}

const running = new Set<ChildProcess>()

/** Ends what a failed test left behind. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout(): string
  stderr(): string
  /** Resolves once standard output matches; rejects where the process ends before. */
  says(pattern: RegExp): Promise<void>
}

export function start(args: readonly string[], options: RunOptions = {}): Running {
  const [program = '', ...rest] = options.command ?? NODE_COMMAND
  const child = spawn(program, [...rest, ...args], {
    cwd: options.cwd ?? ROOT,
    env: plainEnv(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => undefined).end(options.input ?? '')
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child)
    return { code: code as number | null, stdout, stderr }
  })
  return {
    child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    says: async (pattern) => {
      while (!pattern.test(stdout)) {
        const gone = await Promise.race([once(child.stdout, 'data').then(() => false), ended.then(() => true)])
        if (gone && !pattern.test(stdout)) throw new Error(`it ended without ${pattern}:\n${stdout}\n${stderr}`)
      }
    },
  }
}

/** Runs one command line in a pipe, as a process of its own. */
export const sluice = (args: readonly string[], options?: RunOptions): Promise<Ended> => start(args, options).ended

/** As `sluice`, within this process: for what is about the command and not about its process, of which there are hundreds. */
export async function here(
  args: readonly string[],
  { env = {}, cwd = ROOT }: Pick<RunOptions, 'env' | 'cwd'> = {},
): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  const code = await main(args, {
    env,
    cwd,
    columns: undefined,
    interactive: false,
    interruption: () => new AbortController().signal,
    out: (line) => {
      stdout += `${line}\n`
    },
    note: (line) => {
      stderr += `${line}\n`
    },
    progress: () => undefined,
    paint: (_style, text) => text,
    ask: () => Promise.reject(new Error('nobody is there to ask')),
  })
  return { code, stdout, stderr }
}

/** The objects of an answer in JSON lines. */
export const lines = <Row = Record<string, unknown>>(text: string): Row[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row)
