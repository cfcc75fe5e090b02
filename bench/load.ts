import { connect } from 'node:net'
import { idsOf, signedIssue, type Template, toTemplate } from './deliveries.ts'
import { type MeshLoad, meshTemplate } from './mesh-deliveries.ts'
import { quantile } from './statistics.ts'

/** The load, in a process of its own: connections that send their next delivery as soon as the last was answered. */
export interface LoadOptions {
  readonly port: number
  readonly path: string
  readonly connections: number
  /** Different bodies, hence keys, in turn. */
  readonly keys: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** An Event Mesh's deliveries instead of GitHub's. */
  readonly mesh?: MeshLoad | undefined
}

export interface LoadResult {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers that were not 2xx, the warm-up's included. */
  readonly failures: number
  /** Every 2xx, the warm-up's included. */
  readonly accepted: number
}

const HEAD_END = '\r\n\r\n'

/** @returns the status once the answer is complete */
function readAnswer(answer: Buffer): number | undefined {
  const end = answer.indexOf(HEAD_END)
  if (end < 0) return undefined
  const head = answer.toString('latin1', 0, end).toLowerCase()
  const [, length] = /\r\ncontent-length: *(\d+)/.exec(head) ?? []
  const whole = length
    ? answer.length >= end + HEAD_END.length + Number(length)
    : answer.toString('latin1', answer.length - 5) === `0${HEAD_END}`
  return whole ? Number(head.slice(9, 12)) : undefined
}

function run({ port, path, connections, keys, warmUpMs, measureMs, mesh }: LoadOptions): Promise<LoadResult> {
  const templates = Array.from({ length: keys }, (_, number) =>
    mesh ? meshTemplate(path, number + 1, mesh) : toTemplate(path, signedIssue(number + 1)),
  )
  const nextId = idsOf(Date.now())
  const startedAt = performance.now()
  const from = startedAt + warmUpMs
  const until = from + measureMs
  const latencies: number[] = []
  let sent = 0
  let accepted = 0
  let failures = 0

  const converse = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1').setNoDelay(true)
      const scratch = Buffer.allocUnsafe(Math.max(...templates.map(({ bytes }) => bytes.length)))
      let pending: Buffer | undefined
      let sentAt = 0

      const send = () => {
        const { bytes, idAt } = templates[sent++ % templates.length] as Template
        bytes.copy(scratch)
        scratch.write(nextId(), idAt, 'latin1')
        sentAt = performance.now()
        socket.write(scratch.subarray(0, bytes.length))
      }
      socket.on('connect', send).on('error', reject)
      socket.on('close', () => (performance.now() < until ? reject(new Error('the server hung up')) : resolve()))
      socket.on('data', (chunk) => {
        pending = pending ? Buffer.concat([pending, chunk]) : chunk
        const status = readAnswer(pending)
        if (status === undefined) return
        pending = undefined
        const now = performance.now()
        if (status >= 200 && status < 300) accepted += 1
        else failures += 1
        if (now >= from && now < until) latencies.push(now - sentAt)
        if (now < until) send()
        else socket.end()
      })
    })

  return Promise.all(Array.from({ length: connections }, converse)).then(() => ({
    perSecond: (latencies.length / measureMs) * 1000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    failures,
    accepted,
  }))
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as LoadOptions)))
