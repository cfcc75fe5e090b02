import { SluiceError, toFault } from '#domain/errors'

/**
 * What a log line may say of anything thrown. Only our own messages are free of secrets and payloads: a parser's quotes
 * the body, a database's the value. Of all others the log gets the name and the place.
 */
export function faultFields(thrown: unknown): Readonly<Record<string, unknown>> {
  const { code, message, httpStatus } = toFault(thrown)
  const where = placeOf(thrown)
  return {
    code,
    ...(isOurs(thrown) ? { message } : {}),
    ...(httpStatus === undefined ? {} : { httpStatus }),
    ...(where ? { at: where } : {}),
  }
}

const FRAME = /^\s+at (.+:\d+:\d+)\)?$/m

function placeOf(thrown: unknown): string | undefined {
  try {
    if (!(thrown instanceof Error) || isOurs(thrown)) return undefined
    return FRAME.exec(String(thrown.stack).replace(String(thrown.message), ''))?.[1]?.slice(0, 300)
  } catch {
    // A getter of the thrown value threw in its turn: it has no place worth knowing.
    return undefined
  }
}

function isOurs(thrown: unknown): boolean {
  try {
    return thrown instanceof SluiceError
  } catch {
    // A proxy that refuses to say what it is.
    return false
  }
}
