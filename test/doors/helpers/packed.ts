import { execFile } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { checkoutFolder, oncePerRun } from '../../helpers/run.ts'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../../..')
/** What npm packs whatever `files` says. */
const ALWAYS = ['package.json', 'README.md', 'LICENSE']

export interface PackedPackage {
  /** What `npm publish` would upload. */
  readonly tarball: string
  /** The tarball, unpacked. By `linkTree`, never by a symbolic link: Node would resolve `@sap/cds` at its end. */
  readonly folder: string
}

/** Built once per run, in a folder of its own under `.tmp`: neither `dist/` nor another test run is disturbed. */
export const packedPackage = (): Promise<PackedPackage> =>
  oncePerRun('packed', () => pack(join(checkoutFolder(), 'packed')))

async function pack(home: string): Promise<PackedPackage> {
  const stage = join(home, 'stage')
  mkdirSync(stage, { recursive: true })
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[]
  }
  const shipped = files.filter((each) => each !== 'dist').flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
  for (const path of [...ALWAYS, ...shipped]) cpSync(join(ROOT, path), join(stage, path), { recursive: true })
  await compile(join(stage, 'dist'))
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const env = plainEnv()
  const { stdout } = await run(npm, ['pack', '--json', '--pack-destination', home], { cwd: stage, env })
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  await run('tar', ['-xzf', filename], { cwd: home })
  return { tarball: join(home, filename), folder: join(home, 'package') }
}

/** Types are another step's concern (`npm run types`); what was emitted is what a test runs. */
async function compile(outDir: string): Promise<void> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const args = [tsc, '-p', 'tsconfig.build.json', '--outDir', outDir, '--noEmitOnError', 'false']
  await run(process.execPath, args, { cwd: ROOT, env: plainEnv() }).catch(({ stdout, message }) => {
    if (!existsSync(join(outDir, 'srv/gateway.js')))
      throw new Error(`the package could not be built: ${stdout || message}`)
  })
}

/** A user's environment: none of the settings by which this checkout runs its own TypeScript. */
export function plainEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, CDS_TYPESCRIPT: _typescript, CDS_CONFIG: _config, ...env } = process.env
  return env
}
