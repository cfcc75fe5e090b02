import type { Handler } from 'cap-sluice'

/** Any sender's event becomes one document in the subsidiary's ERP, found again by the sender's own id. */
const document: Handler = async (event, { targets }) => {
  const { documents } = targets
  if (!documents) throw new Error('the demo configures a target "documents"')
  const result = await documents.create(
    'IncomingDocuments',
    {
      SourceSystem: event.origin,
      EventType: event.type,
      Subject: (event.subject ?? '').slice(0, 255),
      Payload: event.dataText,
    },
    { reference: `${event.origin}:${event.id}` },
  )
  return { outcome: result.outcome, document: result.key?.ID }
}

export default document
