import { hash } from 'node:crypto'
import { v7 } from 'uuid'
import type { EventAttributes } from '#domain/event'
import type { DeliveryLabels } from '#domain/labels'
import type {
  AttemptRecord,
  ClaimedDispatch,
  ClaimedLane,
  ClaimRequest,
  DispatchSettlement,
  Inbox,
  NewDelivery,
  NewEvent,
  NewItem,
} from '#domain/ports'
import { bytes, NOW } from './deliveries.ts'

/** An empty store with a clock of its own. */
export interface InboxHarness {
  readonly inbox: Inbox
  now(): Date
  /** Moves the store's clock. */
  advance(ms: number): void
  /** A second instance on the same store, opened; closed by `dispose`. */
  another(): Promise<Inbox>
  /** Closes the instance and opens one on what it left. */
  reopen(): Promise<Inbox>
  readonly peek: Peek
  dispose(): Promise<void>
}

/** A store that outlives its instances: how one is opened on it, and what is in its tables. `dispose` closes and removes. */
export interface DurableStore<Instance extends Inbox> {
  open(now: () => Date): Promise<Instance>
  select(entity: string): Promise<readonly Row[]>
  dispose(instances: readonly Instance[]): Promise<void>
}

export async function durableHarness<Instance extends Inbox>({
  open,
  select,
  dispose,
}: DurableStore<Instance>): Promise<InboxHarness> {
  let time = NOW.getTime()
  const now = () => new Date(time)
  const instances: Instance[] = []
  const another = async () => {
    const inbox = await open(now)
    instances.push(inbox)
    return inbox
  }
  const inbox = await another()
  return {
    inbox,
    now,
    advance: (ms) => {
      time += ms
    },
    another,
    reopen: async () => {
      await inbox.close()
      return another()
    },
    peek: peekTables(select),
    dispose: () => dispose(instances),
  }
}

/** What the ports do not tell: the stored rows. */
export interface Peek {
  delivery(key: string): Promise<{ outcome: string; reason?: string } | undefined>
  labels(key: string): Promise<DeliveryLabels | undefined>
  event(key: string): Promise<{ unrouted: boolean } | undefined>
  dispatch(id: string): Promise<{ status: string; reason?: string; attempts: number; result?: string } | undefined>
  /** In the order of `n`. */
  attempts(dispatch: string): Promise<{ n: number; outcome: string; fence: string }[]>
  rejections(source: string): Promise<{ reason: string; minute: Date; count: number }[]>
  audit(): Promise<{ actor: string; action: string; object: string }[]>
}

type Row = Readonly<Record<string, unknown>>

/** For stores with tables. @param select all rows of an entity; spelling of column names does not matter. */
export function peekTables(select: (entity: string) => Promise<readonly Row[]>): Peek {
  const rows = async (entity: string, match: Row = {}): Promise<Row[]> =>
    (await select(entity))
      .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value])))
      .filter((row) => Object.entries(match).every(([name, value]) => row[name] === value))
  const text = (value: unknown) => (value === null || value === undefined ? undefined : String(value))
  return {
    async delivery(key) {
      const [row] = await rows('Deliveries', { id: key })
      return row && present({ outcome: String(row.outcome), reason: text(row.reason) })
    },
    async labels(key) {
      const [row] = await rows('Deliveries', { id: key })
      if (!row) return undefined
      const { applicationid, correlationid, sender, receiver, messagetype } = row
      return present({
        applicationId: text(applicationid),
        correlationId: text(correlationid),
        sender: text(sender),
        receiver: text(receiver),
        messageType: text(messagetype),
      }) as DeliveryLabels
    },
    async event(key) {
      const [row] = await rows('Events', { event: key })
      return row && { unrouted: Boolean(row.unrouted) }
    },
    async dispatch(id) {
      const [row] = await rows('Dispatches', { id })
      if (!row) return undefined
      const { status, reason, attempts, result } = row
      return present({
        status: String(status),
        reason: text(reason),
        attempts: Number(attempts),
        result: text(result),
      })
    },
    async attempts(dispatch) {
      const found = await rows('Attempts', { dispatch })
      return found
        .map(({ n, outcome, fence }) => ({ n: Number(n), outcome: String(outcome), fence: String(fence) }))
        .sort((a, b) => a.n - b.n)
    },
    async rejections(source) {
      const found = await rows('Rejections', { source })
      return found.map(({ reason, minute, count }) => ({
        reason: String(reason),
        minute: new Date(minute as string | Date),
        count: Number(count),
      }))
    },
    async audit() {
      const found = await rows('Audit')
      return found.map(({ actor, action, object }) => ({
        actor: String(actor),
        action: String(action),
        object: String(object),
      }))
    },
  }
}

type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** Leaves out what is undefined, so that deep equality says what is meant. */
const present = <T extends object>(value: T): Present<T> =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Present<T>

export interface EventPlan {
  /** Sender's id; without it the event is never a duplicate. */
  readonly id?: string
  readonly lane?: string
  readonly type?: string
  readonly data?: string
  readonly contentHash?: string
  readonly nature?: 'fact' | 'state'
  readonly windowMs?: number
  readonly extra?: Partial<NewEvent>
  readonly attributes?: Partial<EventAttributes>
}

/** Makes what the runtime would hand to the store at the harness's time. */
export function sender(harness: Pick<InboxHarness, 'now'>) {
  let count = 0
  const key = () => v7({ msecs: harness.now().getTime() })

  function event({ id, lane, type = 'order.created', windowMs, nature = 'fact', ...plan }: EventPlan): NewEvent {
    count += 1
    const data = plan.data ?? `{"n":${count}}`
    return {
      key: key(),
      contentHash: plan.contentHash ?? hash('sha256', data, 'hex'),
      nature,
      data,
      attributes: {
        specversion: '1.0',
        id: id ?? `generated-${count}`,
        source: 'https://shop.example',
        type,
        ...(lane === undefined ? {} : { partitionkey: lane }),
        ...plan.attributes,
      },
      ...(id === undefined ? {} : { identity: `id:${id}` }),
      ...(windowMs === undefined ? {} : { identityWindowMs: windowMs }),
      ...plan.extra,
    }
  }

  function delivery(items: readonly NewItem[], parts: Partial<NewDelivery> = {}): NewDelivery {
    const body = parts.body ?? bytes(`body ${count}`)
    return {
      key: key(),
      origin: 'shop',
      channel: 'push',
      receivedAt: harness.now(),
      method: 'POST',
      url: '/webhooks/shop',
      headers: '{"content-type":["application/json"]}',
      body,
      bodyHash: hash('sha256', body, 'hex'),
      authlevel: 'body',
      items,
      ...parts,
    }
  }

  return {
    event,
    delivery,
    /** A delivery with one event. */
    one: (plan: EventPlan = {}, parts: Partial<NewDelivery> = {}): NewDelivery =>
      delivery([{ kind: 'event', event: event(plan) }], parts),
  }
}

/** Stores deliveries of one event each and returns the events' keys. */
export async function accept(inbox: Inbox, ...deliveries: readonly NewDelivery[]): Promise<string[]> {
  const outcomes = await inbox.intake.store(deliveries)
  return outcomes.map(({ outcome, items: [item] }) => {
    if (outcome !== 'accepted' || item?.event === undefined) throw new Error(`not accepted: ${outcome}`)
    return item.event
  })
}

export const LEASE_MS = 60_000

export const claim = (inbox: Inbox, name: string, request: Partial<ClaimRequest> & { lanes?: number } = {}) => {
  const { lanes = 100, ...rest } = request
  return inbox.work.claim({
    subscriptions: [{ name, lanes }],
    dispatchesPerLane: 10,
    bytes: 1_000_000,
    leaseMs: LEASE_MS,
    ...rest,
  })
}

/** The only lane that is due. */
export async function claimOne(inbox: Inbox, name: string, request: Partial<ClaimRequest> = {}): Promise<ClaimedLane> {
  const lanes = await claim(inbox, name, request)
  const [lane] = lanes
  if (!lane || lanes.length !== 1) throw new Error(`${lanes.length} lanes are due`)
  return lane
}

export const attempt = (now: Date, outcome: AttemptRecord['outcome'] = 'ok', sent = false): AttemptRecord => ({
  at: now,
  durationMs: 5,
  outcome,
  sent,
})

/** Settles and gives the lane back. @returns whether the fence held */
export async function settle(
  inbox: Inbox,
  lane: Pick<ClaimedLane, 'lane' | 'owner'>,
  settled: readonly DispatchSettlement[],
  release = true,
): Promise<boolean> {
  const [held] = await inbox.work.settle([{ lane: lane.lane, owner: lane.owner, settled, release }])
  return held === true
}

export const done = ({ id }: Pick<ClaimedDispatch, 'id'>, at: Date): DispatchSettlement => ({
  dispatch: id,
  to: 'done',
  attempt: attempt(at),
})

/** Works everything off that is due, in lane order. @returns the events' sender ids as they were worked. */
export async function drain({ inbox, now }: Pick<InboxHarness, 'inbox' | 'now'>, name: string): Promise<string[]> {
  const worked: string[] = []
  for (;;) {
    const lanes = await claim(inbox, name)
    if (lanes.length === 0) return worked
    for (const lane of lanes) {
      worked.push(...lane.dispatches.map(({ event }) => event.attributes.id))
      await settle(
        inbox,
        lane,
        lane.dispatches.map((one) => done(one, now())),
      )
    }
  }
}

/** `<event>:<subscription>:<run>` */
export const idsOf = (lane: ClaimedLane): string[] => lane.dispatches.map(({ event }) => event.attributes.id)

/** How exactly the store knows when a source last pushed. */
export const seconds = (moment: Date | undefined): number => Math.floor((moment?.getTime() ?? 0) / 1_000)
