import { SluiceError, toFault } from '#domain/errors'

/** What the process ends with; the same for every command, so that scripts and CI can tell the cases apart. */
export const EXIT = {
  ok: 0,
  /** The command did its work and found something wrong: a refused delivery, a bad signature, nothing with that key. */
  problem: 1,
  /** A wrong word, a missing option, a question nobody could answer. Nothing was done. */
  usage: 2,
  /** The gateway cannot be used: unreachable, refuses who asks, or something else answers there. */
  gateway: 3,
  /** A fault of this program. */
  fault: 70,
  /** Ctrl-C before the end. */
  interrupted: 130,
} as const

const EXIT_BY_CODE: Readonly<Record<string, number>> = {
  usage: EXIT.usage,
  'gateway-unreachable': EXIT.gateway,
  'gateway-refused': EXIT.gateway,
  'gateway-foreign': EXIT.gateway,
  'gateway-failed': EXIT.gateway,
  interrupted: EXIT.interrupted,
}

/** A mistake in how the command was called. */
export const usage = (message: string, remedy?: string): SluiceError =>
  new SluiceError('usage', message, { retry: 'never', ...(remedy ? { remedy } : {}) })

export const exitOf = (thrown: unknown): number =>
  thrown instanceof SluiceError ? (EXIT_BY_CODE[thrown.code] ?? EXIT.problem) : EXIT.fault

/** A fault's message ends with its remedy; where both are shown apart, the one without the other. */
export const messageOf = ({ message, remedy }: SluiceError): string =>
  remedy && message.endsWith(` ${remedy}`) ? message.slice(0, -remedy.length - 1) : message

/** As text for people, or as one JSON object for `--json`. Never a stack: nobody outside can read it. */
export function describeFault(thrown: unknown, json: boolean): string {
  const { code, message } = toFault(thrown)
  if (!json) return thrown instanceof SluiceError ? message : `${message}\nThis is a fault of sluice itself.`
  if (!(thrown instanceof SluiceError)) return JSON.stringify({ error: { code, message } })
  return JSON.stringify({ error: { code, message: messageOf(thrown), remedy: thrown.remedy } })
}
