import { misconfigured } from './classify.ts'
import type { ODataAuth, ODataEntitySpec, ODataTargetAt, ODataTargetOptions } from './options.ts'

/** Refuses what would fail, or worse, half work at run time. @throws SluiceError `configuration` with the remedy */
export function checkOptions(options: ODataTargetOptions | ODataTargetAt): void {
  if (options.version !== 'v2' && options.version !== 'v4') {
    throw misconfigured('`version` of an OData target is neither v2 nor v4.', 'Set the one the service speaks.')
  }
  if (!('address' in options)) checkAddress(options)
  checkNumbers(options)
  checkHeaders(options.headers ?? {})
  const names = Object.keys(options.entities)
  if (names.length === 0) throw misconfigured('`entities` is empty.', 'Name the entity sets this target works with.')
  for (const name of names) checkEntity(name, options.entities[name] as ODataEntitySpec)
}

function checkAddress({ url, auth, sapClient }: ODataTargetOptions): void {
  checkUrl(url, '`url`')
  checkAuth(auth)
  if (sapClient !== undefined && !/^\d{3}$/.test(sapClient)) {
    throw misconfigured('`sapClient` is not three digits.', 'Set it to the logon client, e.g. "100".')
  }
}

function checkUrl(text: string, what: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw misconfigured(`${what} of an OData target is no http or https address.`, 'Give the full address.')
  }
  if (url.username || url.password) {
    throw misconfigured(`${what} of an OData target carries credentials.`, 'Put them into `auth`, from `env:NAME`.')
  }
  if (url.search || url.hash) {
    throw misconfigured(`${what} of an OData target carries a query.`, 'Use `sapClient` for the logon client.')
  }
}

function checkAuth(auth: ODataAuth): void {
  if (!['none', 'basic', 'oauth2'].includes(auth?.kind)) {
    throw misconfigured('`auth.kind` of an OData target is unknown.', 'Use none, basic or oauth2.')
  }
  for (const [name, value] of Object.entries(auth)) {
    if (typeof value !== 'string' || value === '') {
      throw misconfigured(`\`auth.${name}\` of an OData target is empty.`, 'Is the environment variable set?')
    }
  }
  const needed = { none: [], basic: ['user', 'password'], oauth2: ['tokenUrl', 'clientId', 'clientSecret'] }[auth.kind]
  const missing = needed.find((name) => !(name in auth))
  if (missing) throw misconfigured(`\`auth.${missing}\` of an OData target is missing.`, 'Is its binding complete?')
  if (auth.kind === 'oauth2') checkUrl(auth.tokenUrl, '`auth.tokenUrl`')
  if (auth.kind === 'basic' && auth.user.includes(':')) {
    throw misconfigured('`auth.user` of an OData target contains a colon.', 'Basic authentication cannot express it.')
  }
}

function checkNumbers(options: ODataTargetOptions | ODataTargetAt): void {
  const bounds = { settleMs: 0, timeoutMs: 1, maxResponseBytes: 1024 } as const
  for (const [name, least] of Object.entries(bounds) as [keyof typeof bounds, number][]) {
    const value = options[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least && value < 2 ** 31)) {
      throw misconfigured(`\`${name}\` of an OData target is no whole number from ${least} on.`, 'Correct it.')
    }
  }
}

function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (/^(authorization|cookie|x-csrf-token|if-match|content-length)$/i.test(name)) {
      throw misconfigured(
        `Header \`${name}\` of an OData target is set by the target.`,
        'Use `auth` or `csrf` instead.',
      )
    }
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || /[^\t\x20-\x7e]/.test(value)) {
      throw misconfigured(`Header \`${name}\` of an OData target is malformed.`, 'Correct `headers`.')
    }
  }
}

function checkEntity(name: string, spec: ODataEntitySpec): void {
  if (!/^[A-Za-z_]\w{0,127}$/.test(name)) {
    throw misconfigured(`Entity \`${name}\` is no entity set name.`, 'Use the name from the service’s $metadata.')
  }
  if (!Array.isArray(spec.key) || spec.key.length === 0 || new Set(spec.key).size !== spec.key.length) {
    throw misconfigured(`Entity \`${name}\` has no key, or one twice.`, 'List its key elements in order under `key`.')
  }
  const elements = [...spec.key, spec.version, spec.reference, spec.guard].filter((element) => element !== undefined)
  const odd = elements.find((element) => !/^[A-Za-z_]\w{0,127}$/.test(element))
  if (odd !== undefined) {
    throw misconfigured(`\`${odd}\` of entity \`${name}\` is no element name.`, 'Use names from $metadata.')
  }
  if (spec.onAmbiguous !== undefined && spec.onAmbiguous !== 'park' && spec.onAmbiguous !== 'repeat') {
    throw misconfigured(`\`onAmbiguous\` of entity \`${name}\` is unknown.`, 'Use "park" or "repeat".')
  }
  if (!spec.readonly && !spec.reference && !spec.onAmbiguous) {
    throw misconfigured(
      `A lost create of entity \`${name}\` could not be recognized, and would be made twice.`,
      'Name a filterable element under `reference`, decide with `onAmbiguous`, or make the entity `readonly`.',
    )
  }
}
