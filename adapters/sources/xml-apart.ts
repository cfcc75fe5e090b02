import { extname } from 'node:path'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import { ownThread } from '#domain/own-thread'
import type { Awaitable } from '#domain/source'
import { bad } from './body.ts'
import { readXml, type XmlParts, type XmlWork } from './xml-reading.ts'

/** Some 20 ms; beyond it another thread reads, because a parser cannot be interrupted and a megabyte takes it 150 ms. */
const MAX_LENGTH_HERE = 131_072
/** A tree takes some thirty times its text. Beyond this the document is refused, and the process is none the worse for it. */
const MAX_HEAP_MB = 512
/** A thread without work is ended: its heap would stay. */
const IDLE_MS = 10_000

/** Reads a document; here where it is short, in a thread of its own where not. */
export const readXmlApart = (work: XmlWork): Awaitable<XmlParts> =>
  work.text.length <= MAX_LENGTH_HERE ? readXml(work) : inThread(work)

const EXTENSION = extname(import.meta.filename)
const SCRIPT = new URL(`./xml-thread${EXTENSION}`, import.meta.url)

const options = (): WorkerOptions => ({
  name: 'sluice-xml',
  resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  ...ownThread(EXTENSION, process.env),
})

let thread: Worker | undefined
let idle: NodeJS.Timeout | undefined
let last: Promise<unknown> = Promise.resolve()
let answer: (found: XmlParts) => void = () => undefined
let refuse: (thrown: Error) => void = () => undefined

/** One after another: whoever kills the thread by its size is the one it was at. */
function inThread(work: XmlWork): Promise<XmlParts> {
  const read = last.then(() => ask(work))
  last = read.catch(() => undefined)
  return read
}

function ask(work: XmlWork): Promise<XmlParts> {
  clearTimeout(idle)
  const worker = thread ?? start()
  return new Promise<XmlParts>((resolve, reject) => {
    answer = resolve
    refuse = reject
    worker.ref()
    worker.postMessage(work)
  }).finally(() => {
    // It keeps no process alive, and does not stay for ever.
    worker.unref()
    idle = setTimeout(() => {
      thread = undefined
      void worker.terminate()
    }, IDLE_MS).unref()
  })
}

function start(): Worker {
  const worker = new Worker(SCRIPT, options())
  worker.on('message', (found: XmlParts) => answer(found))
  worker.on('error', (thrown: NodeJS.ErrnoException) => {
    thread = undefined
    if (thrown.code === 'ERR_WORKER_OUT_OF_MEMORY') answer(bad('xml-forbidden', 'limits'))
    else refuse(thrown)
  })
  worker.on('exit', () => {
    // Ended by us, or with an error that was told.
    if (thread !== worker) return
    thread = undefined
    refuse(new Error('the thread that reads XML has ended'))
  })
  thread = worker
  return worker
}
