import { randomUUID } from 'node:crypto'
import { andThen } from '#domain/awaitable'
import { belowPath, canonicalPath, isHttpPath } from '#domain/http-path'
import type { AuthSpec, Awaitable, Delivery, Item, Source, SourceContext } from '#domain/source'
import { refuse, type Verification } from '#domain/verification'
import { bad } from './body.ts'
import { checkAuth, verifyCaller } from './caller.ts'
import { csrfGuard, isCsrfFetch } from './csrf.ts'
import { byId, joinId, toItem } from './draft.ts'
import { canonicalType, compileField, compileFields, FIELD_OPTIONS, type FieldOptions, type Locator } from './fields.ts'
import { CONTENT_OPTIONS, type ContentOptions, compileContent, type Part } from './http-content.ts'
import { compileKept } from './http-kept.ts'
import { answerCaller, answerUnhandled, finishAnswer, type ReplyOptions } from './http-reply.ts'
import { identityWithoutId } from './identity.ts'
import { checkOneOf, checkOptions, misconfigured } from './options.ts'

/** Options of kind `http`. */
export interface HttpOptions extends FieldOptions, ContentOptions, ReplyOptions {
  /** Below `/http/`, as in the flow's address; letter case does not matter, a closing `/*` takes everything below. */
  readonly path: string
  /** How callers prove who they are; any one of several. `{ kind: 'none' }` has to be said. */
  readonly auth: AuthSpec | readonly AuthSpec[]
  /** Whether modifying calls need a token that was fetched before; true, as in the HTTPS sender. */
  readonly csrf?: boolean
  /** GET, POST, PUT, PATCH and DELETE by default. */
  readonly methods?: readonly string[]
  /** Longest body in bytes. */
  readonly maxBytes?: number
  /** What identifies a delivery; without it, and without `identity`, each is an event of its own. */
  readonly id?: Locator | readonly Locator[]
  readonly identity?: 'none' | { readonly hashWindowMs: number }
  /** What else handlers and operators may read: a header's name, or `query:<name>`. */
  readonly keep?: readonly string[]
  /** `handled`: the caller waits for what the handler returns. */
  readonly replyWhen?: 'stored' | 'handled'
  /** Longest wait for it, in ms; 30,000. After it the answer is 202. */
  readonly replyTimeoutMs?: number
  /** The subscription whose result is the answer, where several want the event. */
  readonly replyFrom?: string
  /** Form of answers with status 500: RFC 9457, or the text of Cloud Integration. */
  readonly errors?: 'problem' | 'text'
}

const OPTIONS = [
  ...FIELD_OPTIONS,
  ...CONTENT_OPTIONS,
  'path',
  'auth',
  'csrf',
  'methods',
  'maxBytes',
  'id',
  'identity',
  'keep',
  'replyWhen',
  'replyTimeoutMs',
  'replyFrom',
  'replyType',
  'accepted',
  'errors',
] as const satisfies readonly (keyof HttpOptions)[]

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const DEFAULT_REPLY_TIMEOUT_MS = 30_000

/**
 * What an HTTPS sender channel of SAP Cloud Integration offers: a path below `/http/` that takes any body, CSRF tokens,
 * `SAP_MessageProcessingLogID` on every answer, and answers now or when the handler has ended.
 * https://help.sap.com/docs/cloud-integration (HTTPS sender adapter)
 */
export function http(options: HttpOptions): Source {
  checkOptions('http', options, OPTIONS)
  const { csrf = true, errors = 'problem' } = check(options)
  const specs = [options.auth].flat().map((spec) => checkAuth('http', spec as AuthSpec | undefined))
  if (specs.length === 0) checkAuth('http', undefined)
  const normalize = compileNormalize(options)
  const guard = csrfGuard()
  const keep = compileKept('http', options.keep, specs)
  const waits = options.replyWhen === 'handled'

  async function verify(delivery: Delivery, context: SourceContext): Promise<Verification> {
    const caller = await verifyAny(delivery, context, specs)
    if (!csrf || caller.ok !== true || delivery.method === 'GET') return caller
    return (await guard.check(delivery, context, nameOf(caller))) ?? caller
  }

  return {
    kind: 'http',
    path: canonicalPath(options.path),
    limits: { methods: options.methods ?? METHODS, ...(options.maxBytes ? { maxBytes: options.maxBytes } : {}) },
    ...(waits
      ? {
          replyWhen: {
            timeoutMs: options.replyTimeoutMs ?? DEFAULT_REPLY_TIMEOUT_MS,
            ...(options.replyFrom ? { subscription: options.replyFrom } : {}),
          },
        }
      : {}),
    async handshake(delivery, context) {
      if (!isCsrfFetch(delivery)) return undefined
      const caller = await verifyAny(delivery, context, specs)
      return caller.ok === true ? guard.grant(delivery, context, nameOf(caller)) : caller
    },
    verify,
    normalize,
    ...(keep ? { keep } : {}),
    reply(outcome, _delivery, ends) {
      const unhandled = waits ? answerUnhandled(outcome) : undefined
      // A caller that wanted to wait and did not hear the end must not take "stored" for "done".
      return unhandled ?? answerCaller(outcome, ends, waits ? { ...options, accepted: 202 } : options)
    },
    finish: (reply, key) => finishAnswer(reply, key, errors),
  }
}

/** Each way a caller may prove itself is tried; what is told is the refusal of the one it used. */
async function verifyAny(
  delivery: Delivery,
  context: SourceContext,
  specs: readonly AuthSpec[],
): Promise<Verification> {
  let answer: Verification | undefined
  for (const spec of specs) {
    const found = await verifyCaller(delivery, context, spec)
    if (found.ok === true) return found
    const unused = answer?.ok === false && /^(token|certificate)-missing$/.test(answer.reason)
    if (!answer || found.ok === 'unknown' || (unused && found.ok === false)) answer = found
  }
  if (answer?.ok !== false || answer.status === 403) return answer ?? refuse('token-missing')
  // RFC 9110 §11.6.1. Java's HTTP clients send no password before they are asked for one.
  const challenges = specs.flatMap(challengeOf).join(', ')
  return challenges ? { ...answer, headers: { 'www-authenticate': challenges } } : answer
}

const challengeOf = ({ kind }: AuthSpec): readonly string[] => {
  if (kind === 'basic') return ['Basic realm="Sluice", charset="UTF-8"']
  return kind === 'jwt' || kind === 'oidc' || kind === 'ias' ? ['Bearer realm="Sluice"'] : []
}

const nameOf = (caller: Extract<Verification, { ok: true }>): string => caller.principal?.name ?? 'anonymous'

function compileNormalize(options: HttpOptions): (delivery: Delivery) => Awaitable<readonly Item[]> {
  const path = canonicalPath(options.path)
  const provider = options.provider ?? `http.${path.replace(/\/?\*$/, '').replaceAll('/', '.')}`
  const fields = compileFields('http', { ...options, provider })
  const ids = [options.id ?? []].flat().map((id) => compileField('http', 'id', id))
  const idless = ids.length === 0 ? identityWithoutId('http', options.identity ?? 'none') : undefined
  const inBody = ids.some(({ inBody }) => inBody)
  const read = compileContent('http', options, fields.needsJson || inBody)

  function toEvent(delivery: Delivery, { type, json, data, dataBase64 }: Part, index: number): Item {
    const parts = ids.map((field) => field.read(delivery, json))
    if (parts.some((part) => !part)) return bad('attribute-missing', 'id')
    // What stands in a header is the same for all parts of a batch.
    const unique = options.split && !inBody ? [...parts, String(index)] : parts
    const id = unique.length === 1 ? unique[0] : joinId(unique as string[])
    const { object, ...attributes } = fields.read(delivery, json)
    const method = delivery.method.toLowerCase()
    const subject = attributes.subject ?? object?.key ?? belowPath(path, delivery.path)
    return toItem({
      identity: idless ?? byId(id),
      attributes: {
        ...attributes,
        ...(options.type ? {} : { type: canonicalType(provider, options.types ?? {}, method), providertype: method }),
        id: idless ? randomUUID() : (id ?? ''),
        source: `/http/${path}`,
        subject,
        partitionkey: attributes.partitionkey ?? subject,
        datacontenttype: type,
      },
      nature: options.nature ?? 'fact',
      object,
      data,
      dataBase64,
    })
  }

  return (delivery) =>
    andThen(read(delivery), (parts) =>
      'length' in parts ? parts.map((part, index) => toEvent(delivery, part, index)) : [parts],
    )
}

function check(options: HttpOptions): HttpOptions {
  const { path, methods = METHODS, accepted, replyWhen, replyTimeoutMs, errors, split, replyType } = options
  if (typeof path !== 'string' || !isHttpPath(path)) {
    throw misconfigured('http', 'path', 'is no path', 'Give e.g. erp/orders or erp/orders/*.')
  }
  if (methods.length === 0 || methods.some((method) => !METHODS.includes(method))) {
    throw misconfigured('http', 'methods', 'has an unknown one', `Use some of: ${METHODS.join(', ')}.`)
  }
  if (accepted !== undefined) checkOneOf('http', 'accepted', String(accepted), ['200', '202'])
  if (errors !== undefined) checkOneOf('http', 'errors', errors, ['problem', 'text'])
  if (replyWhen !== undefined) checkOneOf('http', 'replyWhen', replyWhen, ['stored', 'handled'])
  if (replyWhen === 'handled' && split) {
    throw misconfigured('http', 'replyWhen', 'waits for one event, and "split" makes many', 'Remove one of them.')
  }
  if (replyTimeoutMs !== undefined && !(replyTimeoutMs > 0 && replyTimeoutMs <= 600_000)) {
    throw misconfigured('http', 'replyTimeoutMs', 'is not between 1 and 600000', 'Give milliseconds.')
  }
  for (const name of ['replyTimeoutMs', 'replyFrom', 'replyType'] as const) {
    if (options[name] === undefined || replyWhen === 'handled') continue
    throw misconfigured('http', name, 'has no effect here', 'Set "replyWhen" to "handled" or remove it.')
  }
  if (replyType !== undefined && !/^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w.-]+)*$/.test(replyType)) {
    throw misconfigured('http', 'replyType', 'is no content type', 'Give e.g. application/xml; charset=utf-8.')
  }
  if (options.id !== undefined && options.identity !== undefined) {
    throw misconfigured('http', 'identity', 'stands beside "id"', 'Keep one of them.')
  }
  return options
}
