import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { parseEnv, styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

/** What a command sees of the world around it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Width of standard output; undefined in a pipe or file, where nothing is cut. */
  readonly columns: number | undefined
  /** Somebody sits there: questions may be asked. */
  readonly interactive: boolean
  /** Aborted by Ctrl-C or SIGTERM, from the first call on: before it, they end the process as usual. */
  interruption(): AbortSignal
  /** One line of the result, on standard output. */
  out(line: string): void
  /** One line about the work, on standard error. */
  note(line: string): void
  /** Replaces the last line of progress; nothing unless standard error is a terminal. */
  progress(line: string): void
  paint(style: Style, text: string): string
  ask(question: string, options?: { readonly hidden?: boolean }): Promise<string>
}

const CLEAR_LINE = '\r\u001b[2K'

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process
  let interrupted: AbortController | undefined
  // `sluice events | head` closes the pipe: that is no error.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  // Color depth knows NO_COLOR, FORCE_COLOR and TERM=dumb.
  const colored = stdout.isTTY && stdout.getColorDepth() > 2
  const erasable = stderr.isTTY && env.TERM !== 'dumb'
  let shown = false
  const clear = () => {
    if (shown) stderr.write(CLEAR_LINE)
    shown = false
  }
  return {
    env,
    cwd: process.cwd(),
    columns: stdout.isTTY ? stdout.columns : undefined,
    interactive: stdin.isTTY && stderr.isTTY,
    interruption() {
      if (!interrupted) {
        const controller = new AbortController()
        interrupted = controller
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
      }
      return interrupted.signal
    },
    out(line) {
      clear()
      stdout.write(`${line}\n`)
    },
    note(line) {
      clear()
      stderr.write(`${line}\n`)
    },
    progress(line) {
      if (!erasable) return
      clear()
      stderr.write(line.slice(0, (stderr.columns ?? 80) - 1))
      shown = true
    },
    paint: (style, text) => (colored ? styleText(style, text, { validateStream: false }) : text),
    ask: (question, { hidden = false } = {}) => ask(question, hidden),
  }
}

/** On standard error, so that a result in a pipe stays clean; what is hidden is not echoed. */
function ask(question: string, hidden: boolean): Promise<string> {
  const { stdin, stderr } = process
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  return new Promise((resolve) => {
    // First the interface, which ends the echo, then the question: who is quick to type must not be echoed either.
    const lines = createInterface({ input: stdin, output: hidden ? silent : stderr, terminal: hidden })
    stderr.write(question)
    let answer = ''
    lines.once('line', (line) => {
      answer = line
      lines.close()
    })
    lines.once('SIGINT', () => lines.close())
    lines.once('close', () => {
      if (hidden) stderr.write('\n')
      resolve(answer)
    })
  })
}

/** The process's variables, and those of a `.env` in the folder, as CAP reads them; the process's own win. */
export function envWithFile({ env, cwd }: Pick<Terminal, 'env' | 'cwd'>): Terminal['env'] {
  try {
    return { ...parseEnv(readFileSync(join(cwd, '.env'), 'utf8')), ...env }
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return env
    throw thrown
  }
}
