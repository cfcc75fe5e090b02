import type { Pull } from '#domain/pull'
import { odd } from './answers.ts'
import type { MeshConnection } from './connection.ts'
import { createRest, type RestOptions, segment } from './rest.ts'

/** At least once: without it the broker forgets a message as soon as it is sent. */
const QOS = { 'x-qos': '1' }
/** Of an answer's headers, those that belong to the message. */
const KEPT = /^(content-type|content-encoding|x-address|ce-[a-z0-9]+)$/

/** Consumption by REST: help.sap.com/doc/3dfdf81b17b744ea921ce7ad464d1bd7, "consumption" and "acknowledgement". */
export function meshPull(connection: MeshConnection, queue: string, options?: RestOptions): Pull {
  const rest = createRest(connection, options)
  const messages = `/queues/${segment(queue)}/messages`
  return {
    async consume(signal) {
      const what = `a message of ${queue}`
      const answer = await rest.messaging({
        method: 'POST',
        path: `${messages}/consumption`,
        what,
        headers: QOS,
        anyContent: true,
        signal,
      })
      if (answer.status === 204) return undefined
      const id = answer.headers['x-message-id']
      // An empty 200 is how an empty queue was answered, too.
      if (!id && answer.body.length === 0) return undefined
      // No message, but a log-in or a proxy's excuse. What has an id is one, be it a page of HTML.
      if (!id) throw odd(answer.status, what)
      const kept = Object.entries(answer.headers).filter(([name]) => KEPT.test(name))
      // No broker promises to say by which topic it came, and what is no CloudEvent is known by its address alone.
      const headers = [['x-address', `queue:${queue}`] as const, ...kept]
      return { id, body: answer.body, headers: Object.fromEntries(headers.map(([name, value]) => [name, [value]])) }
    },
    async acknowledge(id, signal) {
      await rest.messaging({
        method: 'POST',
        path: `${messages}/${segment(id)}/acknowledgement`,
        what: `an acknowledgement in ${queue}`,
        headers: QOS,
        signal,
      })
    },
    close: rest.close,
  }
}
