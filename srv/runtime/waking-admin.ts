import type { Admin, AdminResult } from '#domain/ports'

/** What an operator sets going need not wait until the worker looks again. */
export function wakingAdmin(admin: Admin, wake: () => void): Admin {
  const thenWake = async (acted: Promise<AdminResult>): Promise<AdminResult> => {
    const result = await acted
    if (result.ok) wake()
    return result
  }
  return {
    ...admin,
    replay: (event, subscription, by) => thenWake(admin.replay(event, subscription, by)),
    retry: (dispatch, by) => thenWake(admin.retry(dispatch, by)),
    discard: (dispatch, by) => thenWake(admin.discard(dispatch, by)),
    resume: (subscription, by) => thenWake(admin.resume(subscription, by)),
  }
}
