import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type cds from '@sap/cds'
import { type Definitions, hasOwnModel, skipOwn } from './own-model.ts'

/** What cds-dk gives to build plugins. https://cap.cloud.sap/docs/guides/deploy/build#custom-build-plugins */
interface BuildTasks {
  readonly Plugin: new () => object
  register?(name: string, task: unknown): void
}

/**
 * Keeps our tables out of `gen/pg` as well: the deployer that `@cap-js/postgres` builds runs without this plugin, so
 * its model has to say it. Nothing but that deployer reads the file.
 */
export function registerBuildTask(facade: typeof cds): void {
  const { build } = facade as unknown as { build?: BuildTasks }
  if (!build?.register) return
  build.register(
    'cap-sluice',
    class extends build.Plugin {
      static taskDefaults = { src: facade.env.folders.db }

      static hasTask(): boolean {
        return (facade.requires.db as { kind?: string } | undefined)?.kind === 'postgres'
      }

      /** Tasks that must have run. */
      get requires(): string[] {
        return ['postgres']
      }

      async clean(): Promise<void> {}

      async build(): Promise<void> {
        const { target } = facade.env.build as { target: string }
        const file = join(facade.root, target === '.' ? 'gen' : target, 'pg/db/csn.json')
        if (!existsSync(file)) return
        const csn = JSON.parse(readFileSync(file, 'utf8')) as { definitions: Definitions }
        if (!hasOwnModel(csn.definitions)) return
        skipOwn(csn.definitions)
        writeFileSync(file, JSON.stringify(csn))
      }
    },
  )
}
