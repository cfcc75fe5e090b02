import type { Handler } from 'cap-sluice'

const documents = new Map<string, string>()

/** An opened issue becomes a document in the ERP, an edited one changes it. */
const toDocument: Handler = async (event, { targets }) => {
  const { erp } = targets
  if (!erp) throw new Error('the benchmark configures a target "erp"')
  const subject = event.subject ?? ''
  const document = documents.get(subject)
  if (document !== undefined)
    return void (await erp.update('IncomingDocuments', { ID: document }, { Subject: event.id }))
  const data = { EventType: event.type, Subject: subject, Payload: event.dataText }
  const { key } = await erp.create('IncomingDocuments', data, { reference: event.id })
  documents.set(subject, String(key?.ID))
}

export default toDocument
