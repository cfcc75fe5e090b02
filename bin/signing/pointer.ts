const parts = (pointer: string): string[] =>
  pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

/** Sets what a JSON pointer (RFC 6901) names, making objects on the way. */
export function setAt(target: Record<string, unknown>, pointer: string, value: unknown): void {
  const names = parts(pointer)
  const last = names.pop() ?? ''
  let at = target
  for (const name of names) {
    const next = Object.hasOwn(at, name) ? at[name] : undefined
    if (typeof next === 'object' && next !== null) at = next as Record<string, unknown>
    else {
      const made: Record<string, unknown> = {}
      define(at, name, made)
      at = made
    }
  }
  define(at, last, value)
}

/** What a JSON pointer names in a JSON text; numbers as they are written. Undefined where there is nothing. */
export function textAt(body: Uint8Array, pointer: string): string | undefined {
  try {
    const found = parts(pointer).reduce<unknown>(
      (at, name) => (typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? at[name as never] : undefined),
      JSON.parse(Buffer.from(body).toString('utf8')),
    )
    return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** `__proto__` is a name like any other in JSON. */
const define = (target: object, name: string, value: unknown): void => {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}
