import { SluiceError } from '#domain/errors'
import type { EventAttributes, ObjectRef } from '#domain/event'
import { type ClaimedDispatch, type Effect, objectName, type Work } from '#domain/ports'
import type { SkipReason } from '#domain/status'
import type { Key, Target, TargetRecord } from '#domain/target'
import { compareVersions, isAbsorbed, type ObjectVersion } from '#domain/version'
import { sha256 } from './ids.ts'

/** Which target holds the full record of an event that is only a hint. */
export interface FetchSpec {
  readonly target: string
  /** Where it is not the target's entity for the event's object type. */
  readonly entity?: string
}

export interface Enriched {
  readonly record?: TargetRecord
  /** What this run brings into effect, remembered when it is done or known to be an echo. */
  readonly effect?: Effect
  readonly skip?: SkipReason
}

/** Reads the record where asked, and decides whether its version is already in effect or is our own write coming back. */
export async function enrich(
  dispatch: ClaimedDispatch,
  subscription: string,
  fetch: FetchSpec | undefined,
  targets: Readonly<Record<string, Target>>,
  work: Pick<Work, 'effects' | 'ends'>,
  scope: { readonly signal: AbortSignal },
): Promise<Enriched> {
  const sentFrom = dispatch.run === 1 ? sentFromOf(dispatch.event.attributes, targets) : undefined
  if (sentFrom && (await work.ends(sentFrom)).some((one) => one.subscription === subscription)) return { skip: 'echo' }
  const { object, nature } = dispatch.event
  const isThere = object !== undefined && !saysDeleted(dispatch.event.attributes)
  const record = fetch && isThere ? await fetchRecord(object, fetch, targets, scope.signal) : undefined
  const version = versionOf(object, record, dispatch.event.data)
  const found = record ? { record } : {}
  if (!object || !version || nature !== 'state') return found

  const mine = `subscription:${subscription}`
  const name = objectName(object)
  // Only what was written to the system the event comes from can come back as an echo.
  const systems = fetch ? [fetch.target] : Object.keys(targets)
  const [inEffect, ...written] = await work.effects([
    { scope: mine, object: name },
    ...systems.flatMap((target) => [
      { scope: `target:${target}`, object: name },
      { scope: `beneath:${target}`, object: name },
    ]),
  ])
  const effect = { scope: mine, object: name, version }
  if (dispatch.run === 1 && isEcho(version, inEffect, written)) return { ...found, skip: 'echo', effect }
  if (isSkipped(dispatch.run, version, inEffect)) return { ...found, skip: 'absorbed' }
  return { ...found, effect }
}

/**
 * Our own version comes back. Where it was written over somebody's change that this subscription has not seen, the
 * record is the only bearer of that change, and no echo.
 * @param written what we wrote and what lies beneath it, for each system in turn
 */
function isEcho(
  { version }: ObjectVersion,
  inEffect: ObjectVersion | undefined,
  written: readonly (ObjectVersion | undefined)[],
): boolean {
  return written.some((own, at) => {
    if (at % 2 === 1 || !own || compareVersions(own.version, version) !== 0) return false
    const beneath = written[at + 1]
    return !beneath || (inEffect !== undefined && (compareVersions(beneath.version, inEffect.version) ?? 1) <= 0)
  })
}

/**
 * The event that went out to a broker and came back as this one. A subscription that had that one has this one already, and
 * passing it on again would never end; an operator who replays it knows better.
 */
function sentFromOf(attributes: EventAttributes, targets: Readonly<Record<string, Target>>): string | undefined {
  for (const name in targets) {
    const key = targets[name]?.sentFrom?.(attributes)
    if (key) return key
  }
  return undefined
}

/** What is gone cannot be read: a handler gets the event alone, instead of a lane that waits for the record for ever. */
const saysDeleted = ({ type, providertype }: EventAttributes): boolean =>
  DELETED.test(type) || (providertype !== undefined && DELETED.test(providertype))

const DELETED = /\.deleted(\.|$)/i

/** A replay was asked for: only something older than what is in effect is still refused. */
function isSkipped(run: number, version: ObjectVersion, inEffect: ObjectVersion | undefined): boolean {
  if (run === 1) return isAbsorbed(version, inEffect)
  return inEffect !== undefined && (compareVersions(version.version, inEffect.version) ?? 1) < 0
}

async function fetchRecord(
  object: ObjectRef,
  spec: FetchSpec,
  targets: Readonly<Record<string, Target>>,
  signal: AbortSignal,
) {
  const target = targets[spec.target]
  const entity = spec.entity ?? entityOf(target, object.type)
  if (!target || !entity) {
    throw new SluiceError('configuration', `Nothing in target ${spec.target} is declared for object ${object.type}.`, {
      retry: 'never',
      remedy: `Declare an entity with "object": "${object.type}" in targets.${spec.target}.entities.`,
    })
  }
  const record = await target.fetch(entity, keyOf(target, entity, object), signal)
  if (record) return record
  throw new SluiceError('record-not-found', `${entity} ${object.key} is not there (yet).`)
}

const entityOf = (target: Target | undefined, objectType: string): string | undefined =>
  Object.entries(target?.entities ?? {}).find(([, entity]) => entity.object === objectType)?.[0]

function keyOf(target: Target, entity: string, object: ObjectRef): Key {
  const names = target.entities[entity]?.key ?? []
  const values = object.key.split('/')
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
}

function versionOf(
  object: ObjectRef | undefined,
  record: TargetRecord | undefined,
  data: string | undefined,
): ObjectVersion | undefined {
  if (record)
    return record.version ? { version: record.version, contentHash: sha256(canonical(record.data)) } : undefined
  if (!object?.version) return undefined
  return { version: object.version, ...(data === undefined ? {} : { contentHash: sha256(comparable(data)) }) }
}

/** Text that is no JSON is compared as it is. */
function comparable(data: string): string {
  try {
    return canonical(JSON.parse(data))
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return data
    throw thrown
  }
}

/** JSON with sorted keys, so that a polled row and a fetched record of equal content hash alike. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
