// dist/ mirrors the source tree; .cds files, the cockpit and the data of the simulators ship in place.
// gen/srv is what production runs: a project of its own that uses the packed package; gen/db holds HANA's artifacts.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, globSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { deployable } from './deployable.js'
import { hanaArtifacts } from './hana-artifacts.js'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)
for (const command of globSync('dist/bin/*.js')) chmodSync(command, 0o755)

rmSync('gen', { recursive: true, force: true })
mkdirSync('gen')
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const packed = execFileSync(npm, ['pack', '--json', '--pack-destination', 'gen'], { encoding: 'utf8' })
const [{ filename }] = JSON.parse(packed)
const tarball = join('gen', filename)
deployable({ tarball, out: join('gen', 'srv') })
if (existsSync('node_modules/@cap-js/hana')) await hanaArtifacts(join('gen', 'db'))
console.log(`dist, ${tarball}, gen/srv and gen/db are built`)
