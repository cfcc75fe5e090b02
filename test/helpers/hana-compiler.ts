import { createRequire } from 'node:module'
import cds from '@sap/cds'
import type { CqlService } from '../../adapters/inbox/cql/session.ts'

/** Compiling fills a query in; CAP's types do not know the copy. */
const { clone } = cds.ql as unknown as { clone(query: object): object }

interface HanaService {
  init(): Promise<void>
  cqn2sql(query: object): { sql: string }
}

type HanaConstructor = new (name: string, model: object, options: object) => HanaService

/**
 * A service that also compiles each query for SAP HANA, offline, before it runs it: what HANA's compiler refuses fails
 * the test that sent it. @returns the service, and the distinct statements so far
 */
export async function compilingForHana(
  service: CqlService,
  model: object,
): Promise<{ service: CqlService; statements: Set<string> }> {
  const Hana = createRequire(import.meta.url)('@cap-js/hana') as HanaConstructor
  const hana = new Hana('hana', model, { kind: 'hana', credentials: { host: 'nowhere', port: 1 } })
  await hana.init()
  const statements = new Set<string>()
  const recording: CqlService = {
    options: service.options,
    tx: (work) =>
      service.tx((tx) =>
        work({
          run: (query) => {
            if (typeof query !== 'string') statements.add(hana.cqn2sql(clone(query)).sql)
            return tx.run(query)
          },
        }),
      ),
    disconnect: () => service.disconnect(),
  }
  return { service: recording, statements }
}
