import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../../..')

/** Runs a script of a version to its end. Its stdin is a pipe that this process's end closes. */
export async function run(
  root: string,
  script: string,
  options: object,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [...process.execArgv, join(root, script), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  }
  const [code] = await once(child, 'close')
  return { code, output }
}
