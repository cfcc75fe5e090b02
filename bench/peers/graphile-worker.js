import { makeWorkerUtils, run } from 'graphile-worker'
import { handle, serve } from './server.js'

const connectionString = process.env.DATABASE_URL
const concurrency = process.env.CONCURRENCY ? { concurrency: Number(process.env.CONCURRENCY) } : {}

const utils = await makeWorkerUtils({ connectionString })
await utils.migrate()
await run({ connectionString, taskList: { delivery: handle }, noHandleSignals: true, ...concurrency })
serve(({ id, body }) => utils.addJob('delivery', body, { jobKey: id }))
