import { createGateway, PermanentError } from 'cap-sluice'
import { cdsInbox, memoryInbox } from 'cap-sluice/inbox'
import { github } from 'cap-sluice/sources'
import { serve } from './serve.mjs'

const { framework } = JSON.parse(process.argv[2] ?? '{}')
const express = framework ? (await import(framework)).default : undefined
await serve({ createGateway, PermanentError, cdsInbox, memoryInbox, github }, express)
