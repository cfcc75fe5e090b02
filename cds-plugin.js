// What CAP looks for in every dependency of an app. The work is in srv/plugin.ts.
export default import('cap-sluice/plugin').then((plugin) => plugin.activate())
