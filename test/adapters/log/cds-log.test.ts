import type cds from '@sap/cds'
import { expect } from 'chai'
import { cdsLog } from '../../../adapters/log/cds-log.ts'

function recorded() {
  const lines: unknown[][] = []
  const write =
    (level: string) =>
    (...said: unknown[]) =>
      lines.push([level, ...said])
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  const facade = { context: undefined as { id?: string } | undefined, log: () => logger }
  return { facade, lines, log: cdsLog(facade as unknown as typeof cds) }
}

describe("the log on CAP's", () => {
  it('lets no field out whose name says that it is a secret', () => {
    const { log, lines } = recorded()
    const names = ['clientSecret', 'access_token', 'Password', 'authorization', 'set-cookie', 'x-signature', 'hmac']
    log.warn('told', { ...Object.fromEntries(names.map((name) => [name, 'geheim'])), source: 'shop', gone: undefined })
    const masked = Object.fromEntries(names.map((name) => [name, '***']))
    expect(lines).to.deep.equal([['warn', 'told', { ...masked, source: 'shop' }]])
  })

  it('says on each level what it is told, and makes the correlation id the context of what it says', () => {
    const { log, lines, facade } = recorded()
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]('told')
    log.info('more', { correlationId: 'trace-me', count: 1 })
    expect(lines).to.deep.equal([
      ['debug', 'told'],
      ['info', 'told'],
      ['warn', 'told'],
      ['error', 'told'],
      ['info', 'more', { count: 1 }],
    ])
    expect(facade.context).to.deep.equal({ id: 'trace-me' })
  })
})
