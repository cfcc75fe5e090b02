const { createGateway, PermanentError } = require('cap-sluice')
const { cdsInbox, memoryInbox } = require('cap-sluice/inbox')
const { github } = require('cap-sluice/sources')
const { serve } = require('./serve.mjs')

const { framework } = JSON.parse(process.argv[2] ?? '{}')
serve({ createGateway, PermanentError, cdsInbox, memoryInbox, github }, framework && require(framework))
