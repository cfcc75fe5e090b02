import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import cds from '@sap/cds'

/** What the design-time files of CAP's compiler are, for HDI. */
const PLUGINS = {
  hdbtable: 'com.sap.hana.di.table',
  hdbview: 'com.sap.hana.di.view',
  hdbindex: 'com.sap.hana.di.index',
  hdbconstraint: 'com.sap.hana.di.constraint',
}

/** The store's tables and views as an HDI module for HANA: what `@sap/hdi-deploy` brings into a container. */
export async function hanaArtifacts(out) {
  const source = join(out, 'src', 'gen')
  rmSync(out, { recursive: true, force: true })
  mkdirSync(source, { recursive: true })
  const model = await cds.load(resolve(import.meta.dirname, '../index.cds'))
  for (const [content, { file }] of cds.compile.to.hdbtable(model)) writeFileSync(join(source, file), content)
  const plugins = Object.entries(PLUGINS).map(([suffix, plugin_name]) => [suffix, { plugin_name }])
  write(join(out, 'src', '.hdiconfig'), { file_suffixes: Object.fromEntries(plugins) })
  write(join(out, 'package.json'), {
    name: 'sluice-db',
    version: '1.0.0',
    private: true,
    scripts: { start: 'node node_modules/@sap/hdi-deploy/deploy.js --exit' },
    dependencies: { '@sap/hdi-deploy': '^5' },
    engines: { node: '>=22.12' },
  })
}

const write = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
