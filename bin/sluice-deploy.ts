#!/usr/bin/env node
import cds from '@sap/cds'
import { toFault } from '#domain/errors'
import { cdsInbox } from '../adapters/inbox/index.ts'

/**
 * Brings the store of the app in the current folder to this version of Sluice and ends: the task of an MTA, the Job of a
 * Kubernetes cluster. Statements only add, so instances of the version before run on meanwhile; several at once wait for
 * each other; nothing to do costs a second. Exit code 0, or 1 with the reason and the remedy on stderr.
 */
async function deploy(): Promise<number> {
  // The databases' packages bring their kinds and the labels of their bindings.
  await (cds as unknown as { plugins: Promise<unknown> }).plugins
  const inbox = cdsInbox({ deploy: true })
  try {
    await inbox.open()
    console.log(`The store of ${cds.requires['sluice-db'].kind} is deployed.`)
    return 0
  } catch (thrown) {
    const { code, message } = toFault(thrown)
    console.error(`The store could not be deployed (${code}): ${message}`)
    return 1
  } finally {
    await inbox.close()
  }
}

process.exit(await deploy())
