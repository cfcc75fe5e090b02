interface DispatchRow {
  readonly subscription: string
  readonly status: string
  readonly reason: string | null
  readonly attempts: number
}

interface EventRow {
  readonly event: string
  readonly origin: string
  readonly type: string
  readonly subject: string | null
  readonly dispatches: readonly DispatchRow[]
}

const EVERY_MS = 400

/** Follows the operator's own API and tells each event's way once it has ended. */
export function tailEvents(gatewayUrl: string, tell: (line: string) => void): { stop(): void } {
  const open = new Set<string>()
  let last = '00000000-0000-0000-0000-000000000000'
  let stopped = false

  async function look(): Promise<void> {
    for (const event of await read(gatewayUrl, `event gt ${last}`)) {
      last = event.event
      open.add(event.event)
    }
    if (open.size === 0) return
    const oldest = [...open].sort()[0] ?? last
    for (const event of await read(gatewayUrl, `event ge ${oldest}`)) {
      if (!open.has(event.event) || event.dispatches.some(({ status }) => status === 'waiting')) continue
      open.delete(event.event)
      tell(
        `  ${event.origin.padEnd(9)} ${event.type} ${event.subject ?? ''} → ${event.dispatches.map(describe).join(', ') || 'unrouted'}`,
      )
    }
  }

  const timer = setInterval(() => {
    if (stopped) return
    // While the gateway is being killed and restarted there is nobody to ask.
    look().catch((unreachable) => {
      if (!(unreachable instanceof TypeError)) tell(`  (tail: ${unreachable})`)
    })
  }, EVERY_MS)

  return {
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}

const describe = ({ subscription, status, reason, attempts }: DispatchRow): string =>
  `${subscription}: ${status}${reason ? ` (${reason})` : ''}${attempts > 1 ? ` after ${attempts} attempts` : ''}`

async function read(gatewayUrl: string, filter: string): Promise<readonly EventRow[]> {
  const options = {
    $filter: filter,
    $orderby: 'event',
    $top: '200',
    $select: 'event,origin,type,subject',
    $expand: 'dispatches($select=ID,subscription,status,reason,attempts)',
  }
  // OData reads a plus as a plus, which is what URLSearchParams makes of a blank.
  const query = Object.entries(options)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
  const headers = { authorization: `Basic ${Buffer.from('operator:').toString('base64')}` }
  const answer = await fetch(`${gatewayUrl}/odata/v4/cockpit/Events?${query}`, { headers })
  if (!answer.ok) throw new Error(`the cockpit answered ${answer.status}`)
  return ((await answer.json()) as { value: EventRow[] }).value
}
