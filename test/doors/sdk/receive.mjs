import { createGateway } from 'cap-sluice'
import { cdsInbox } from 'cap-sluice/inbox'
import { stripe } from 'cap-sluice/sources'
import { signed } from 'cap-sluice/testing'
import { run } from './receive-run.mjs'

await run({ createGateway, cdsInbox, stripe, signed }, 'esm.db')
