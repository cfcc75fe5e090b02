const { createGateway } = require('cap-sluice')
const { cdsInbox } = require('cap-sluice/inbox')
const { stripe } = require('cap-sluice/sources')
const { signed } = require('cap-sluice/testing')
const { run } = require('./receive-run.mjs')

run({ createGateway, cdsInbox, stripe, signed }, 'cjs.db')
