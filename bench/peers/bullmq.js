import { Queue, Worker } from 'bullmq'
import { handle, serve } from './server.js'

const connection = { host: process.env.REDISHOST ?? '127.0.0.1', port: Number(process.env.REDISPORT ?? 6379) }
const name = process.env.QUEUE_NAME ?? 'sluice-bench'
const concurrency = process.env.CONCURRENCY ? { concurrency: Number(process.env.CONCURRENCY) } : {}

const queue = new Queue(name, { connection })
await queue.obliterate({ force: true })
new Worker(name, handle, { connection, ...concurrency })
serve(({ id, body }) => queue.add('delivery', body, { jobId: id }))
