import { PgBoss } from 'pg-boss'
import { handle, serve } from './server.js'

const options = process.env.CONCURRENCY ? { localConcurrency: Number(process.env.CONCURRENCY) } : {}

const boss = new PgBoss(process.env.DATABASE_URL)
boss.on('error', console.error)
await boss.start()
await boss.createQueue('delivery')
await boss.work('delivery', options, (jobs) => Promise.all(jobs.map(handle)))
serve(({ id, body }) => boss.send('delivery', body, { singletonKey: id }))
