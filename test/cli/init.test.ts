import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { freePort } from '../../demo/free-port.ts'
import { packedPackage, plainEnv as userEnv } from '../doors/helpers/packed.ts'
import { type Ended, endAll, ROOT, type RunOptions, sluice } from './helpers/cli.ts'

const run = promisify(execFile)
const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

describe('sluice init', () => {
  let folder: string
  const running: ReturnType<typeof spawn>[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-init-'))
  })
  afterEach(() => {
    endAll()
    for (const child of running.splice(0)) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  for (const template of ['cap', 'express']) {
    it(`writes a project by template ${template}, with pinned versions and a secret of its own`, async () => {
      const { code, stdout } = await sluice(['init', 'My Inbox', '--template', template, '--json'], { cwd: folder })
      expect(code).to.equal(0)
      const { files, name } = JSON.parse(stdout) as { files: string[]; name: string }
      expect(name).to.equal('my-inbox')
      expect(files).to.include.members([
        'package.json',
        'README.md',
        '.env.example',
        '.gitignore',
        'test/book-payment.test.js',
      ])
      for (const file of files) expect(existsSync(join(folder, 'My Inbox', file)), file).to.equal(true)
      const { dependencies } = JSON.parse(readFileSync(join(folder, 'My Inbox/package.json'), 'utf8'))
      expect(dependencies).to.deep.equal({
        // The SDK opens a file by itself.
        ...(template === 'cap' ? { '@cap-js/sqlite': own.devDependencies['@cap-js/sqlite'] } : {}),
        '@sap/cds': own.devDependencies['@sap/cds'],
        'cap-sluice': own.version,
        express: own.dependencies.express,
      })
      for (const version of Object.values(dependencies)) expect(version).to.match(/^\d+\.\d+\.\d+$/)
      const secrets = readFileSync(join(folder, 'My Inbox/.env'), 'utf8')
      expect(secrets).to.match(/STRIPE_WEBHOOK_SECRET=whsec_[0-9a-f]{48}\n/)
      if (process.platform !== 'win32') expect(statSync(join(folder, 'My Inbox/.env')).mode & 0o077).to.equal(0)
      expect(readFileSync(join(folder, 'My Inbox/.gitignore'), 'utf8')).to.match(/^\.env$/m)
      await sluice(['init', 'other', '--template', template], { cwd: folder })
      expect(readFileSync(join(folder, 'other/.env'), 'utf8')).not.to.equal(secrets)
    })
  }

  it('refuses a folder that is not empty, names what is there, and writes nothing', async () => {
    for (const name of ['a.txt', 'b.txt', 'c', 'd', 'e', 'f', 'g']) writeFileSync(join(folder, name), '')
    const { code, stderr } = await sluice(['init'], { cwd: folder })
    expect(code).to.equal(2)
    expect(stderr).to.match(
      /is not empty: a\.txt, b\.txt, c, d, e and 2 more\. Name another folder; nothing was written\./,
    )
    expect(existsSync(join(folder, 'package.json'))).to.equal(false)
  })

  it('takes a folder with nothing but a new repository, and one that is not there', async () => {
    mkdirSync(join(folder, '.git'))
    expect((await sluice(['init'], { cwd: folder })).code).to.equal(0)
    expect((await sluice(['init', 'deep/below'], { cwd: folder })).code).to.equal(0)
  })

  const mistakes: [string, string[], RegExp][] = [
    ['a file for a folder', ['init', 'file'], /cannot be used \(ENOTDIR\)/],
    [
      'a template that is none',
      ['init', 'x', '--template', 'capp'],
      /There is no template "capp"\. Did you mean cap\?/,
    ],
    ['a name that npm refuses', ['init', 'x', '--name', 'My Inbox'], /is no name of a package/],
  ]
  for (const [what, args, message] of mistakes) {
    it(`refuses ${what}`, async () => {
      writeFileSync(join(folder, 'file'), '')
      const { code, stderr } = await sluice(args, { cwd: folder })
      expect(code).to.equal(2)
      expect(stderr).to.match(message)
    })
  }

  describe('from the packed package', function () {
    // The package is compiled, packed and installed.
    this.timeout(300_000)

    /** Installs as a user does, but the package itself from the tarball that would be published, and without a network. */
    const install = async (project: string) => {
      const { tarball } = await packedPackage()
      const file = join(project, 'package.json')
      const json = JSON.parse(readFileSync(file, 'utf8'))
      json.dependencies['cap-sluice'] = `file:${tarball}`
      writeFileSync(file, JSON.stringify(json))
      const args = ['install', '--no-audit', '--no-fund', '--prefer-offline']
      await run('npm', args, { cwd: project, env: userEnv() })
    }
    const npm = (project: string, ...args: string[]) => run('npm', args, { cwd: project, env: userEnv() })
    const boot = async (project: string, port: string): Promise<() => string> => {
      const [program = '', ...args] = JSON.parse(
        readFileSync(join(project, 'package.json'), 'utf8'),
      ).scripts.start.split(' ')
      const bin = program === 'node' ? process.execPath : join(project, 'node_modules/.bin', program)
      const child = spawn(bin, args, { cwd: project, env: { ...userEnv(), PORT: port } })
      running.push(child)
      let output = ''
      await new Promise<void>((resolve, reject) => {
        for (const stream of [child.stdout, child.stderr]) {
          stream.setEncoding('utf8').on('data', (text: string) => {
            output += text
            if (/listening on/.test(output)) resolve()
          })
        }
        child.once('exit', () => reject(new Error(`it ended:\n${output}`)))
      })
      return () => output
    }
    /** The compiled command line that the project got, by the name the package gives it. */
    const cli = (project: string, args: string[], options: RunOptions = {}): Promise<Ended> => {
      const named = own.bin?.sluice && process.platform !== 'win32'
      const compiled = [process.execPath, join(project, 'node_modules/cap-sluice/dist/bin/sluice.js')]
      return sluice(args, {
        ...options,
        cwd: project,
        command: named ? [join(project, 'node_modules/.bin/sluice')] : compiled,
      })
    }

    it('the Express project tests, boots, and takes a signed delivery once', async () => {
      await sluice(['init', 'inbox', '--template', 'express'], { cwd: folder })
      const project = join(folder, 'inbox')
      await install(project)
      expect((await npm(project, 'test')).stdout).to.match(/pass 3/)
      const port = String(await freePort())
      const output = await boot(project, port)
      const args = [
        'send',
        'stripe',
        '--url',
        `http://localhost:${port}/webhooks/stripe`,
        '--secret',
        'env:STRIPE_WEBHOOK_SECRET',
        '--count',
        '2',
        '--same-id',
      ]
      const sent = await cli(project, args)
      expect(sent.code, sent.stderr + output()).to.equal(0)
      expect(sent.stdout).to.include('2 deliveries: 1 accepted, 1 duplicate')
    })
  })
})
