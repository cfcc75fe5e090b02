import { cdsInbox } from 'cap-sluice/inbox'

// What a deployer's task does before the instances of a new version start: opening creates and expands.
const inbox = cdsInbox(JSON.parse(process.argv[2] ?? '{}'))
await inbox.open()
await inbox.close()
process.exit(0)
