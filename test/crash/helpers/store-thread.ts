import { isMainThread } from 'node:worker_threads'
import { watchSqlite } from './database-failpoints.ts'

if (!isMainThread) watchSqlite(process.env.MUTATION !== 'no-transaction')
