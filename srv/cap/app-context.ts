import type cds from '@sap/cds'
import { PermanentError } from '#domain/errors'
import type { Handler } from '../gateway.ts'

/** Whom `managed` elements of an app's entities name as author, and who passes every `@requires`. */
const TECHNICAL_USER = 'sluice'

/**
 * Runs handlers as CAP runs its own: in a transaction that is committed when they return and rolled back when they
 * throw, on behalf of a privileged technical user. A handler whose time is up or whose lease is lost is rolled back too,
 * because somebody else may have done its work by then.
 * https://cap.cloud.sap/docs/node.js/cds-tx
 */
export function inAppContext(facade: typeof cds, handler: Handler): Handler {
  const user = new facade.User.Privileged()
  Object.defineProperty(user, 'id', { value: TECHNICAL_USER, enumerable: true })
  // Of any service's transaction only its context counts here; `cds.db` joins it with the first statement.
  const transaction = facade.tx.bind(facade) as unknown as Transaction
  return async (event, context) => {
    try {
      return await transaction({ id: event.key, user }, async () => {
        const result = await handler(event, context)
        if (context.aborted) context.signal.throwIfAborted()
        return result
      })
    } catch (thrown) {
      throw unrecoverable(thrown) ? new PermanentError(thrown.message, { cause: thrown }) : thrown
    }
  }
}

type Transaction = <T>(context: object, run: () => Promise<T>) => Promise<T>

/** What handlers of CAP's own event queues throw to say that no retry will help. */
const unrecoverable = (thrown: unknown): thrown is Error =>
  thrown instanceof Error && (thrown as { unrecoverable?: unknown }).unrecoverable === true
