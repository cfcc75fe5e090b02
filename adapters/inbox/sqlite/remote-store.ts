import { unavailable } from './errors.ts'
import { type Link, openLink } from './link.ts'
import type { StoreFile } from './wire.ts'

/** The store in its thread, as seen from here. */
export interface RemoteStore {
  call(port: string, method: string, args: readonly unknown[]): Promise<unknown>
  /** A port whose methods are carried out in the thread. */
  port<Port>(name: string, methods: MethodsOf<Port>): Port
  close(): Promise<void>
}

/** All of them: one that is forgotten does not compile. */
type MethodsOf<Port> = { readonly [Method in keyof Port]: true }

/**
 * Opens the store. Where its thread dies, what was asked of it is refused, and the next call starts another one.
 * @throws SluiceError `store-newer`, `store-unavailable`
 */
export async function remoteStore(file: StoreFile, clock: (() => Date) | undefined): Promise<RemoteStore> {
  let link: Link = await openLink(file, clock)
  let reviving: Promise<void> | undefined

  function revive(): void {
    reviving ??= openLink(file, clock)
      .then(
        (opened) => {
          link = opened
        },
        // Whoever calls next tries again, and is told why the store is out of reach.
        () => undefined,
      )
      .finally(() => {
        reviving = undefined
      })
  }

  function call(port: string, method: string, args: readonly unknown[]): Promise<unknown> {
    if (!link.broken) return link.call(port, method, args)
    revive()
    return Promise.reject(unavailable(new Error('the thread of the store is being started again')))
  }

  return {
    call,
    port: <Port>(name: string, methods: MethodsOf<Port>) =>
      Object.fromEntries(
        Object.keys(methods).map((method) => [method, (...args: readonly unknown[]) => call(name, method, args)]),
      ) as Port,
    async close() {
      await reviving
      await link.close()
    },
  }
}
