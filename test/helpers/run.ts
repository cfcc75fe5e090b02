import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

// Required by .mocharc.json. Mocha runs the files of a whole run in several processes: they share what is made here.

/** Everything a run leaves in the temporary directory, whoever of its processes fails or is killed. */
export function mochaGlobalSetup(): void {
  process.env.TMPDIR = mkdtempSync(join(tmpdir(), 'sluice-test-'))
}

export async function mochaGlobalTeardown(): Promise<void> {
  if (madeOf(SERVER)) await (await import('./postgres-server.ts')).stopServer()
  rmSync(checkoutFolder(), { recursive: true, force: true })
  rmSync(tmpdir(), { recursive: true, force: true, maxRetries: 3 })
}

/** The name of the database server among what is made once. */
export const SERVER = 'postgres'

/** A folder of this run in the checkout, where Node finds the installed packages. */
export const checkoutFolder = (): string => resolve(import.meta.dirname, '../../.tmp', basename(tmpdir()))

/** Makes it in whichever process of the run comes first; the others wait. Its result is JSON. */
export async function oncePerRun<T>(name: string, make: () => Promise<T>): Promise<T> {
  try {
    mkdirSync(join(tmpdir(), name))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
    return awaited<T>(name)
  }
  const result = await make().then(
    (made) => ({ made }),
    (fault: Error) => ({ fault: String(fault.stack) }),
  )
  const file = resultOf(name)
  writeFileSync(`${file}.part`, JSON.stringify(result))
  renameSync(`${file}.part`, file)
  return awaited<T>(name)
}

async function awaited<T>(name: string): Promise<T> {
  let result = madeOf<T>(name)
  for (; result === undefined; result = madeOf<T>(name)) await pause(20)
  if (result.fault) throw new Error(result.fault)
  return result.made as T
}

const resultOf = (name: string): string => join(tmpdir(), name, 'result.json')

function madeOf<T>(name: string): { readonly made?: T; readonly fault?: string } | undefined {
  try {
    return JSON.parse(readFileSync(resultOf(name), 'utf8'))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    return undefined
  }
}
