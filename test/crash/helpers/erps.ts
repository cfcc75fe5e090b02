import { type ErpSandbox, erpSandbox } from 'cap-sluice/testing'

let erp: Promise<ErpSandbox> | undefined
let headquarters: Promise<ErpSandbox> | undefined

/** One for all suites of a run: every case has references of its own. */
export const sharedErp = (): Promise<ErpSandbox> => {
  erp ??= erpSandbox()
  return erp
}

/** The ERP whose changes are polled. */
export const sharedHeadquarters = (): Promise<ErpSandbox> => {
  headquarters ??= erpSandbox()
  return headquarters
}

// A root hook, because it stands outside of every suite. A worker of mocha goes on with other files, which start their own.
after(async () => {
  const started = [await erp, await headquarters]
  erp = undefined
  headquarters = undefined
  for (const sandbox of started) await sandbox?.stop()
})
