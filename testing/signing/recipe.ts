import type { BinaryToTextEncoding } from 'node:crypto'

export type SecretForm = 'utf8' | 'hex' | 'base64' | 'whsec'

/**
 * How a provider signs: for `signed` of the tests, for `sluice send`, and for `sluice verify`, which explains signatures.
 * Independent of the code in `adapters/sources` that verifies, so that each can find the other's mistakes.
 */
export interface Recipe {
  /** Header of the signature, in lower case. */
  readonly header: string
  readonly prefix: string
  readonly algorithm: string
  readonly encoding: Extract<BinaryToTextEncoding, 'hex' | 'base64' | 'base64url'>
  /** Text with `{body}`, `{timestamp}`, `{id}`, `{method}`, `{url}`. */
  readonly template: string
  readonly secret: SecretForm
  /** The header is a list of `key<assign>value`. */
  readonly list?: {
    readonly separator: string
    readonly assign: string
    readonly signature: string
    readonly timestamp?: string | undefined
  }
  readonly timestamp?: {
    /** A header, or a JSON pointer into the body; absent: in the list. */
    readonly from?: string | undefined
    readonly unit: 's' | 'ms' | 'rfc3339'
    readonly toleranceMs: number
  }
  /** Header of the signed id. */
  readonly id?: string | undefined
}

const BODY = { prefix: '', algorithm: 'sha256', encoding: 'hex', template: '{body}', secret: 'utf8' } as const
const FIVE_MINUTES = 300_000

/** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries */
export const GITHUB: Recipe = { ...BODY, header: 'x-hub-signature-256', prefix: 'sha256=' }

/** https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-5-verify-the-webhook */
export const shopify = (family: 'x-shopify-' | 'shopify-'): Recipe => ({
  ...BODY,
  header: `${family}hmac-sha256`,
  encoding: 'base64',
})

/** https://docs.stripe.com/webhooks/signature#verify-manually */
export const stripe = (toleranceMs = FIVE_MINUTES): Recipe => ({
  ...BODY,
  header: 'stripe-signature',
  template: '{timestamp}.{body}',
  list: { separator: ',', assign: '=', signature: 'v1', timestamp: 't' },
  timestamp: { unit: 's', toleranceMs },
})

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export const standardWebhooks = (
  family: 'webhook-' | 'svix-',
  secret: SecretForm = 'whsec',
  toleranceMs = FIVE_MINUTES,
): Recipe => ({
  ...BODY,
  header: `${family}signature`,
  encoding: 'base64',
  template: '{id}.{timestamp}.{body}',
  secret,
  list: { separator: ' ', assign: ',', signature: 'v1' },
  timestamp: { from: `${family}timestamp`, unit: 's', toleranceMs },
  id: `${family}id`,
})

/** The options of kind `hmac`, as docs/adding-a-source.md has them. */
interface HmacOptions {
  readonly header?: string | readonly string[]
  readonly prefix?: string
  readonly algorithm?: string
  readonly encoding?: Recipe['encoding']
  readonly template?: string
  readonly secretEncoding?: SecretForm
  readonly signedId?: string
  readonly list?: { separator: string; signature: string; timestamp?: string }
  readonly timestamp?: { from?: string; unit?: 's' | 'ms' | 'rfc3339'; toleranceMs?: number }
}

export function hmac(options: HmacOptions, header: string): Recipe {
  const { timestamp, list } = options
  const dated = timestamp !== undefined || list?.timestamp !== undefined
  return {
    header: header.toLowerCase(),
    prefix: options.prefix ?? '',
    algorithm: options.algorithm ?? 'sha256',
    encoding: options.encoding ?? 'hex',
    template: options.template ?? '{body}',
    secret: options.secretEncoding ?? 'utf8',
    ...(list ? { list: { ...list, assign: '=' } } : {}),
    ...(dated
      ? {
          timestamp: {
            from: timestamp?.from?.startsWith('/') ? timestamp.from : timestamp?.from?.toLowerCase(),
            unit: timestamp?.unit ?? 's',
            toleranceMs: timestamp?.toleranceMs ?? FIVE_MINUTES,
          },
        }
      : {}),
    ...(options.signedId ? { id: options.signedId.toLowerCase() } : {}),
  }
}

/**
 * The recipe of a kind and its options.
 * @param present names of the headers of a request, where a kind has two families of them
 * @returns undefined for kinds without a signature
 */
export function recipeOf(
  kind: string,
  options: Readonly<Record<string, unknown>>,
  present: ReadonlySet<string> = new Set(),
): Recipe | undefined {
  const toleranceMs = typeof options.toleranceMs === 'number' ? options.toleranceMs : FIVE_MINUTES
  switch (kind) {
    case 'github':
      return GITHUB
    case 'shopify':
      return shopify(present.has('shopify-hmac-sha256') ? 'shopify-' : 'x-shopify-')
    case 'stripe':
      return stripe(toleranceMs)
    case 'standard-webhooks': {
      const family = !present.has('webhook-signature') && present.has('svix-signature') ? 'svix-' : 'webhook-'
      return standardWebhooks(family, options.secretEncoding === 'utf8' ? 'utf8' : 'whsec', toleranceMs)
    }
    case 'hmac': {
      const headers = [options.header as string | string[] | undefined].flat().filter((each) => each !== undefined)
      const header = headers.find((each) => present.has(each.toLowerCase())) ?? headers[0]
      return header === undefined ? undefined : hmac(options as HmacOptions, header)
    }
    default:
      return undefined
  }
}
