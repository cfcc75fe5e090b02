import type { Handler } from 'cap-sluice'

/** Does what the event's data asks for. */
const handler: Handler<{ fail?: string; waitFor?: string; tell?: boolean }> = async ({ data }, { log, delivery }) => {
  if (data.fail === 'type-error') return (undefined as unknown as { name: string }).name
  if (data.fail === 'floating') void Promise.reject(new Error('nobody awaits this'))
  if (data.fail) throw new Error(data.fail)
  if (data.waitFor) await fetch(data.waitFor)
  if (data.tell) return delivery()
  log.info('handled')
  return { handled: true }
}

export default handler
