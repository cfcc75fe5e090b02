import type { Argv } from 'yargs'
import { usage } from '../exit.ts'
import { parseAddress } from '../gateway/address.ts'
import type { GatewayClient } from '../gateway/client.ts'
import { readCredentials } from '../gateway/credentials.ts'
import { type EventFilters, parseMoment, STATES, STATUS_WORDS } from '../gateway/filters.ts'
import { isUuid } from '../gateway/odata.ts'
import type { Terminal } from '../terminal.ts'

const DEFAULT_URL = 'http://localhost:4004'

const CALLER = {
  user: {
    type: 'string',
    describe: 'Who asks; the password comes from SLUICE_PASSWORD or is asked for',
    requiresArg: true,
  },
  token: { type: 'string', describe: 'A bearer token, as env:NAME', requiresArg: true },
} as const

/** Which gateway, and who asks. */
export const gatewayOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('url', { type: 'string', describe: `Gateway, or SLUICE_URL [${DEFAULT_URL}]`, requiresArg: true })
    .options(CALLER)
    .group(['url', 'user', 'token'], 'Gateway:')

export const callerOptions = <T>(yargs: Argv<T>) => yargs.options(CALLER)

export interface GatewayArguments {
  readonly url?: string | undefined
  readonly user?: string | undefined
  readonly token?: string | undefined
}

/** The gateway where no option names one. */
export const defaultAddress = ({ env }: Terminal): URL => parseAddress(env.SLUICE_URL || DEFAULT_URL, 'SLUICE_URL')

export async function openGateway(
  { url, user, token }: GatewayArguments,
  terminal: Terminal,
  signal?: AbortSignal,
): Promise<GatewayClient> {
  const address = url ? parseAddress(url) : defaultAddress(terminal)
  const { connect } = await import('../gateway/client.ts')
  return connect(address, await readCredentials({ user, token }, address, terminal), signal)
}

const ofDelivery = (describe: string) => ({ type: 'string', describe, requiresArg: true }) as const

const BY_DELIVERY = {
  delivery: ofDelivery("The delivery's key, which its caller got as SAP_MessageProcessingLogID"),
  'application-id': ofDelivery('SAP_ApplicationID'),
  'correlation-id': ofDelivery('SAP_CorrelationId'),
  sender: ofDelivery('SAP_Sender'),
  receiver: ofDelivery('SAP_Receiver'),
  'message-type': ofDelivery('SAP_MessageType'),
  'in-headers': ofDelivery('Text within a kept header, e.g. an SAP passport or an id in it; slow without --since'),
}

/** Which events. */
export const filterOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('state', {
      type: 'string',
      array: true,
      choices: STATES,
      describe: 'State of a dispatch',
      requiresArg: true,
    })
    .option('status', {
      type: 'string',
      array: true,
      choices: STATUS_WORDS,
      describe: 'The same in the words of a message monitor',
      requiresArg: true,
    })
    .option('type', { type: 'string', describe: 'Event type; a * at its end stands for any rest', requiresArg: true })
    .option('source', { type: 'string', describe: 'Configured source, or poll', requiresArg: true })
    .option('subscription', { type: 'string', describe: 'Name of a subscription', requiresArg: true })
    .option('since', { type: 'string', describe: '15m, 2h, 3d, or an RFC 3339 moment', requiresArg: true })
    .option('until', { type: 'string', describe: 'The same, exclusive', requiresArg: true })
    .group(['state', 'status', 'type', 'source', 'subscription', 'since', 'until'], 'Which events:')
    .options(BY_DELIVERY)
    .group(Object.keys(BY_DELIVERY), 'By how they came:')

type FilterWords = 'state' | 'status' | 'type' | 'source' | 'subscription'
type DeliveryWords =
  | 'delivery'
  | 'applicationId'
  | 'correlationId'
  | 'sender'
  | 'receiver'
  | 'messageType'
  | 'inHeaders'

export interface FilterArguments extends Pick<EventFilters, FilterWords | DeliveryWords> {
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export function toFilters(args: FilterArguments, now: number): EventFilters {
  const { state, status, type, source, subscription, since, until } = args
  const { delivery, applicationId, correlationId, sender, receiver, messageType, inHeaders } = args
  if (delivery !== undefined && !isUuid(delivery)) {
    throw usage(`--delivery: "${delivery}" is no key of a delivery.`, 'Copy it from SAP_MessageProcessingLogID.')
  }
  return {
    ...{ state, status, type, source, subscription },
    ...{ delivery, applicationId, correlationId, sender, receiver, messageType, inHeaders },
    since: since === undefined ? undefined : parseMoment(since, '--since', now),
    until: until === undefined ? undefined : parseMoment(until, '--until', now),
  }
}

/** Options of a source's kind, in the configuration's own words. */
export const sourceOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('source', {
      type: 'string',
      describe: "Take kind, options and secret from this source of the project's configuration",
      requiresArg: true,
    })
    .option('secret', { type: 'string', describe: 'Signing secret as env:NAME; else asked for', requiresArg: true })
    .option('option', {
      alias: 'o',
      type: 'string',
      array: true,
      describe: 'Option of the kind, as in the configuration: -o header=X-Signature -o timestamp.from=X-Time',
      requiresArg: true,
    })
