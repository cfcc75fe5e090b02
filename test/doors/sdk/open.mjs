// An inbox that lacks what it needs.
import { createGateway } from 'cap-sluice'
import { cdsInbox } from 'cap-sluice/inbox'

const gateway = createGateway({ inbox: cdsInbox(JSON.parse(process.argv[2])) })
try {
  await gateway.start()
} catch ({ code, message }) {
  process.send({ port: 0, fault: { code, message } })
}
process.disconnect()
