// What CAP looks for in every dependency of an app; the work is in srv/plugin.ts. CommonJS, so that Jest gets as far as
// the reason why it cannot go on.
module.exports = import('cap-sluice/plugin').catch(orJest).then((plugin) => plugin.activate())

function orJest(fault) {
  if (!String(fault.code).startsWith('ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING')) throw fault
  throw new Error(
    'cap-sluice consists of ES modules, and this test runner does not load them. Run Jest with NODE_OPTIONS=--experimental-vm-modules.',
    { cause: fault },
  )
}
