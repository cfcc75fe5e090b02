/** Rows of the operator API, as far as the commands read them. */
export interface EventRow {
  readonly event: string
  readonly delivery: string
  readonly origin: string
  readonly receivedAt: string
  readonly id: string
  readonly type: string
  readonly subject: string | null
  readonly unrouted: boolean
  readonly dispatches: readonly DispatchRow[]
}

export interface DispatchRow {
  readonly ID: string
  readonly subscription: string
  readonly run: number
  readonly status: string
  /** The same in the words of a message monitor. */
  readonly mplStatus: string
  readonly reason: string | null
  readonly attempts: number
  readonly availableAt: string | null
  readonly finishedAt: string | null
  readonly history?: readonly AttemptRow[]
}

export interface AttemptRow {
  readonly n: number
  readonly at: string
  readonly durationMs: number | null
  readonly outcome: string
  readonly code: string | null
  readonly httpStatus: number | null
  readonly message: string | null
}

export interface SourceRow {
  readonly name: string
  readonly kind: string
  readonly path: string
  readonly lastDeliveryAt: string | null
}

export const EVENT_COLUMNS = 'event,delivery,origin,receivedAt,id,type,subject,unrouted'
export const DISPATCH_COLUMNS = 'ID,subscription,run,status,mplStatus,reason,attempts,availableAt,finishedAt'
