import type { PostgresService } from '../../adapters/inbox/postgres/service.ts'

export type Credentials = Readonly<Record<'host' | 'user' | 'password' | 'database', string>> & {
  readonly port: number
}

/** One statement of plain SQL on a connection of the service. */
export async function execute<Row>(
  service: PostgresService,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const tx = service.tx({})
  await tx.begin(true)
  try {
    return (await tx.dbc.query<Row>({ text, values })).rows
  } finally {
    await tx.release()
  }
}
