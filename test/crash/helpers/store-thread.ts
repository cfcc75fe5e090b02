import { isMainThread, workerData } from 'node:worker_threads'
import type { StoreFile } from '../../../adapters/inbox/sqlite/wire.ts'
import { watchSqlite } from './database-failpoints.ts'

/**
 * So few that every crash finds some of what waits filed, and some not. Mutation tried: a mark
 * `filed-to` ten positions ahead of what is filed loses events in the first crash.
 */
const FILE_EVERY = 20

if (!isMainThread) {
  watchSqlite(process.env.MUTATION !== 'no-transaction')
  // Other threads than the store's get nothing, or an array.
  Object.assign(Object(workerData), { fileEvery: FILE_EVERY } satisfies Partial<StoreFile>)
}
