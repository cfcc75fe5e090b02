import { type Flow, readFlow, readParameters } from './iflow.ts'
import { isZip, MAX_UNPACKED_BYTES, readZip, type ZipBudget, type ZipEntry } from './zip.ts'

/** The largest file that is read at all. */
export const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024

const MODEL = /(^|\/)src\/main\/resources\/scenarioflows\/integrationflow\/[^/]+\.iflw$/
const PARAMETERS = /(^|\/)src\/main\/resources\/parameters\.prop$/
const MANIFEST = /(^|\/)META-INF\/MANIFEST\.MF$/
/** In an exported package each artifact is an archive of its own. */
const ARTIFACT = /_content$|\.zip$/

/**
 * The flows of an export: of one flow, or of a package with many.
 * @throws SluiceError `archive`, `flow`
 */
export function readFlows(bytes: Buffer, budget: ZipBudget = { bytes: MAX_UNPACKED_BYTES }): readonly Flow[] {
  const entries = readZip(bytes, budget)
  const nested = entries
    .filter(({ name }) => ARTIFACT.test(name))
    .map((entry) => entry.read())
    // Value mappings and scripts are stored alike, and other files too.
    .filter(isZip)
    .flatMap((artifact) => flowsIn(readZip(artifact, budget)))
  return [...flowsIn(entries), ...nested]
}

function flowsIn(entries: readonly ZipEntry[]): readonly Flow[] {
  const text = (pattern: RegExp): string =>
    entries
      .find(({ name }) => pattern.test(name))
      ?.read()
      .toString('utf8') ?? ''
  const models = entries.filter(({ name }) => MODEL.test(name))
  if (models.length === 0) return []
  const parameters = readParameters(text(PARAMETERS))
  const title = bundleName(text(MANIFEST))
  return models.map((model) => {
    const file = model.name.slice(model.name.lastIndexOf('/') + 1, -'.iflw'.length)
    return readFlow(title || file, model.read().toString('utf8'), parameters)
  })
}

/** Lines of a manifest are 72 bytes long at most and go on behind a blank. */
const bundleName = (manifest: string): string =>
  /^Bundle-Name:[ ]*(.*)$/m.exec(manifest.replaceAll(/\r?\n /g, ''))?.[1]?.trim() ?? ''
