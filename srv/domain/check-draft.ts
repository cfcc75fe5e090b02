import type { EventAttributes, EventDraft } from './event.ts'
import type { BadReason } from './source.ts'

/** Upper bounds in characters: what the store's columns hold, so that no sender can make an insert fail. */
export const LIMITS = {
  id: 512,
  source: 512,
  type: 255,
  subject: 512,
  time: 64,
  datacontenttype: 255,
  dataschema: 1024,
  partitionkey: 255,
  sequence: 64,
  traceparent: 64,
  tracestate: 512,
  recordedtime: 64,
  providertype: 255,
  authlevel: 16,
} as const satisfies Record<Exclude<keyof EventAttributes, 'specversion'>, number>

export const OBJECT_LIMITS = { type: 100, key: 255, version: 100 } as const

const REQUIRED = ['id', 'source', 'type'] as const
const TEXTS = Object.entries(LIMITS)
const OBJECT_PARTS = ['type', 'key', 'version'] as const

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/
/** Anything a database may refuse or two databases may store differently. CloudEvents 1.0 §type system forbids both. */
const CONTROL = /\p{Cc}/u

type Bad = { readonly ok: false; readonly reason: BadReason; readonly detail: string }

/** Bounds and checks every string of a draft. The detail names the attribute, never its value. */
export function checkDraft(draft: EventDraft): { readonly ok: true } | Bad {
  const attributes = draft.attributes as Readonly<Record<string, unknown>>
  for (const name of REQUIRED) {
    if (attributes[name] === undefined || attributes[name] === '') return bad('attribute-missing', name)
  }
  for (const [name, limit] of TEXTS) {
    const problem = checkText(attributes[name], name, limit)
    if (problem) return problem
  }
  for (const name of OBJECT_PARTS) {
    const problem = draft.object && checkText(draft.object[name], `object.${name}`, OBJECT_LIMITS[name])
    if (problem) return problem
  }
  for (const name of ['type', 'key'] as const) {
    if (draft.object && !draft.object[name]) return bad('attribute-missing', `object.${name}`)
  }
  if ('id' in draft.identity) {
    const problem = checkText(draft.identity.id, 'identity', LIMITS.id)
    if (problem) return problem
    if (draft.identity.id === '') return bad('attribute-missing', 'identity')
  }
  for (const name of ['time', 'recordedtime'] as const) {
    const value = attributes[name]
    if (typeof value === 'string' && !(RFC3339.test(value) && Number.isFinite(Date.parse(value)))) {
      return bad('attribute-invalid', name)
    }
  }
  for (const name of ['data', 'dataBase64'] as const) {
    if (draft[name]?.includes('\u0000') || draft[name]?.isWellFormed() === false) return bad('attribute-invalid', name)
  }
  return { ok: true }
}

function checkText(value: unknown, name: string, limit: number): Bad | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string') return bad('attribute-invalid', name)
  if (value.length > limit) return bad('attribute-too-long', name)
  if (CONTROL.test(value) || !value.isWellFormed()) return bad('attribute-invalid', name)
  return undefined
}

const bad = (reason: BadReason, detail: string): Bad => ({ ok: false, reason, detail })
