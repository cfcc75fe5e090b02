import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { freePort } from '../../demo/free-port.ts'
import { packedPackage, plainEnv } from '../doors/helpers/packed.ts'
import { outputOf } from '../helpers/child-output.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** Commands that go on until somebody ends them, and what they say once they work. */
const ENDLESS: readonly (readonly [RegExp, RegExp])[] = [
  [/^npm start$/, /listening on/],
  [/^cds watch$/, /listening on/],
  [/^npx sluice tail$/, /./],
]

interface ReaderOptions {
  /** `npm install` installs, far from this checkout; without it what an app needs is found in the checkout. */
  readonly installs?: boolean
}

/**
 * Somebody who types a guide's lines, one after the other, in folders of their own. The package is the only thing that no
 * registry has: what `npm add`, `npm install` and `npx` would fetch of it is the packed one.
 */
export async function guideReader({ installs = false }: ReaderOptions = {}) {
  const { folder: sluice, tarball } = await packedPackage()
  mkdirSync(join(ROOT, '.tmp'), { recursive: true })
  const home = mkdtempSync(join(installs ? tmpdir() : join(ROOT, '.tmp'), 'reader-'))
  const port = await freePort()
  const stage = (name: string, script: string) =>
    writeFileSync(join(home, 'bin', name), `#!/bin/bash\nset -e\n${script}\n`, { mode: 0o755 })
  mkdirSync(join(home, 'bin'))
  const found = installs ? [] : [join(ROOT, 'node_modules/.bin')]
  const path = [join(home, 'bin'), dirname(process.execPath), ...found, process.env.PATH].join(':')
  const fetched = `mkdir -p node_modules && cp -r '${sluice}' node_modules/cap-sluice`
  const real = `PATH="\${PATH#*:}" npm`
  const install = installs
    ? `${real} pkg set dependencies.cap-sluice='file:${tarball}' && ${real} install --prefer-offline --no-audit --no-fund`
    : fetched
  stage(
    'npm',
    `case "$1" in install) ${install};; add) ${fetched}; npm pkg set dependencies.$2='>=0';; *) ${real} "$@";; esac`,
  )
  // What the project has installed, as npx does, and without npx, which takes a second.
  stage(
    'npx',
    `case "$1" in sluice|cap-sluice) ;; *) exit 127;; esac
if [ -x "node_modules/.bin/$1" ]; then exec "node_modules/.bin/$@"; fi
shift; exec node '${sluice}/dist/bin/sluice.js' "$@"`,
  )
  let cwd = home
  const running = new Set<{ child: ChildProcess; text: () => string }>()

  const start = (line: string, env: Readonly<Record<string, string>>) => {
    const child = spawn('bash', ['-c', `${line}\nstatus=$?\npwd >&3\nexit $status`], {
      cwd,
      // A group of its own: npm and cds watch run the server in a child.
      detached: true,
      env: {
        ...plainEnv(),
        PATH: path,
        HOME: home,
        CDS_USER_HOME: home,
        npm_config_cache: process.env.npm_config_cache ?? join(homedir(), '.npm'),
        PORT: String(port),
        SLUICE_URL: `http://localhost:${port}`,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    let folder = ''
    child.stdio[3]?.on('data', (text) => {
      folder += text
    })
    return { child, folder: () => folder.trim(), ...outputOf(child) }
  }

  return {
    url: `http://127.0.0.1:${port}`,
    read: (file: string) => readFileSync(join(cwd, file), 'utf8'),
    write: (file: string, text: string) => writeFileSync(join(cwd, file), text),
    /** Types a line. @returns what it says; of one that goes on for ever, once it works. @throws where it fails */
    async type(line: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
      const { child, text, folder, ended, says } = start(line, env)
      const [, works] = ENDLESS.find(([command]) => command.test(line)) ?? []
      if (!works) {
        const code = await ended
        if (code !== 0) throw new Error(`${line} ended with ${code}:\n${text()}`)
        cwd = folder()
        return text()
      }
      running.add({ child, text })
      await says(works)
      return text()
    },
    /** What the commands say that still run. */
    heard: () => [...running].map(({ text }) => text()).join(''),
    /** Ctrl-C in every terminal where something still runs. */
    async interrupt(): Promise<void> {
      for (const one of running) {
        running.delete(one)
        const { child } = one
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue
        const ended = once(child, 'close')
        process.kill(-child.pid, 'SIGINT')
        await ended
      }
    },
    async leave(): Promise<void> {
      for (const { child } of running) if (child.pid && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
      rmSync(home, { recursive: true, force: true })
    },
  }
}

export type GuideReader = Awaited<ReturnType<typeof guideReader>>
