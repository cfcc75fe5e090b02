/**
 * Options of a thread whose script is a module beside the caller's. What the host preloads is none of its business; our
 * own sources are found by a condition.
 * @param extension of the script: `.ts` in a checkout, `.js` in the package
 * @param env the process's
 */
export const ownThread = (extension: string, env: Readonly<Record<string, string | undefined>>) =>
  extension === '.ts'
    ? { execArgv: ['--conditions=sluice-source'] }
    : { execArgv: [], env: { ...env, NODE_OPTIONS: '' } }
