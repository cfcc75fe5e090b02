import { once } from 'node:events'
import { createServer } from 'node:net'
import { SluiceError } from '#domain/errors'
import { connect } from '../gateway/client.ts'
import { broken, type Finding, ok } from './finding.ts'

const DEFAULT_PORT = 4004

/** Free, or taken by the gateway itself. */
export async function checkPort(env: Readonly<Record<string, string | undefined>>): Promise<Finding> {
  const port = Number(env.PORT ?? DEFAULT_PORT)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return broken('port', `PORT is no port: ${env.PORT}.`, 'Set it to a number, or leave it out for 4004.')
  }
  const problem = await tryListen(port)
  if (!problem) return ok('port', `${port} is free`)
  if (problem !== 'EADDRINUSE')
    return broken('port', `${port} cannot be opened (${problem}).`, 'Set PORT to another one.')
  if (await isGateway(port)) return ok('port', `a gateway answers on ${port}`)
  return broken('port', `${port} is taken by another program.`, 'Set PORT to another one, or end that program.')
}

async function tryListen(port: number): Promise<string | undefined> {
  const server = createServer().listen(port)
  try {
    await once(server, 'listening')
    return undefined
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? 'error'
  } finally {
    server.close()
  }
}

async function isGateway(port: number): Promise<boolean> {
  try {
    const { status, data } = await connect(new URL(`http://localhost:${port}`), undefined).probe('GET', '/health')
    return status === 200 && data.includes('"status"')
  } catch (thrown) {
    if (thrown instanceof SluiceError) return false
    throw thrown
  }
}
