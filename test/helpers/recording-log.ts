import type { Log } from '#domain/ports'

export interface LogLine {
  readonly level: keyof Log
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** Keeps every line. `text` is all of it, to be searched for what must not be there. */
export function recordingLog(): Log & {
  readonly lines: LogLine[]
  text(): string
  messages(level: keyof Log): string[]
} {
  const lines: LogLine[] = []
  const at =
    (level: keyof Log) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void lines.push({ level, message, fields })
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    text: () => JSON.stringify(lines),
    messages: (level) => lines.filter((line) => line.level === level).map(({ message }) => message),
  }
}
