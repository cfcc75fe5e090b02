import type { SignedDelivery } from './senders/signed.ts'
import { type Expected, type Tally, tally } from './tally.ts'
import type { World } from './world.ts'

/** From what webhook senders saw acknowledged, and from headquarters' change log: never from the gateway. */
export async function count(
  { headquarters, subsidiary }: World,
  acknowledged: readonly SignedDelivery[],
): Promise<Tally[]> {
  const [sent, partners, documents, orders, copies] = await Promise.all([
    headquarters.sent(),
    headquarters.rows('A_BusinessPartner'),
    subsidiary.rows('IncomingDocuments'),
    subsidiary.rows('A_SalesOrder'),
    subsidiary.rows('A_BusinessPartner'),
  ])
  const latest = new Map(
    sent.filter(({ entity }) => entity === 'A_SalesOrder').map((change) => [change.key, change.version]),
  )
  return [
    ...tally(webhookFacts(acknowledged), documents, (row) => String(row.ExternalReference)),
    ...tally(
      [...latest].map(
        ([key, version]): Expected => ({
          kind: 'sales orders',
          reference: key,
          isCurrent: (row) => moment(row.ExternalDocLastChangeDateTime) === moment(version),
        }),
      ),
      orders,
      (row) => String(row.ExternalDocumentID),
    ),
    ...tally(
      partners.map(
        (partner): Expected => ({
          kind: 'business partners',
          reference: String(partner.BusinessPartner),
          isCurrent: (row) => row.OrganizationBPName1 === `${partner.OrganizationBPName1} (${partner.SearchTerm1})`,
        }),
      ),
      copies,
      (row) => String(row.SearchTerm1),
    ),
  ]
}

function webhookFacts(acknowledged: readonly SignedDelivery[]): Expected[] {
  const facts = new Map(acknowledged.map(({ source, id }) => [`${source}:${id}`, source]))
  return [...facts].map(([reference, source]) => ({ kind: `${source} webhooks`, reference }))
}

const moment = (value: unknown): number => Date.parse(String(value))
