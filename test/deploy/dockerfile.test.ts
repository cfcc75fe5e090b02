import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, matchesGlob, resolve } from 'node:path'
import { expect } from 'chai'
import { deployable } from '../../scripts/deployable.js'

const ROOT = resolve(import.meta.dirname, '../..')
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

interface Stage {
  readonly base: string
  readonly instructions: readonly (readonly [name: string, rest: string])[]
}

/** The stages of a Dockerfile; continuation lines are joined, comments left out. */
function stagesOf(dockerfile: string): Stage[] {
  const lines = dockerfile
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages: { base: string; instructions: [string, string][] }[] = []
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === '') throw new Error(`no instruction: ${line}`)
    if (name === 'FROM') stages.push({ base: rest, instructions: [] })
    else stages.at(-1)?.instructions.push([name, rest])
  }
  return stages
}

const settingOf = (stage: Stage | undefined, name: string): string =>
  stage?.instructions.find(([each]) => each === name)?.[1] ?? ''

// No daemon is needed: what the steps do is run by production.test.ts, with the same commands.
describe('the Dockerfile', () => {
  const [dependencies, image, ...more] = stagesOf(text('Dockerfile'))

  it('has two stages on a Node that the package takes', () => {
    expect(more).to.deep.equal([])
    const [, node] = /^ARG NODE=node:(\d+)-slim$/m.exec(text('Dockerfile')) ?? []
    const { engines } = JSON.parse(text('package.json')) as { engines: { node: string } }
    expect(Number(node)).to.be.at.least(Number(/\d+/.exec(engines.node)?.[0]))
    expect([dependencies?.base, image?.base]).to.deep.equal([`$\{NODE} AS dependencies`, `$\{NODE}`])
  })

  it('runs as nobody special, ends on SIGTERM, and says whether it is well', () => {
    expect(settingOf(image, 'USER')).to.equal('node')
    expect(settingOf(image, 'STOPSIGNAL')).to.equal('SIGTERM')
    expect(settingOf(image, 'HEALTHCHECK')).to.include('/health')
    expect(settingOf(image, 'ENV')).to.include('NODE_ENV=production')
    const last = image?.instructions.filter(([name]) => ['USER', 'CMD'].includes(name)).map(([name]) => name)
    expect(last).to.deep.equal(['USER', 'CMD'])
  })

  it('starts without npm or a shell between, as the MTA does', () => {
    const command = JSON.parse(settingOf(image, 'CMD')) as string[]
    expect(command).to.deep.equal(['node', '--max-semi-space-size=8', 'node_modules/@sap/cds/bin/serve.js'])
    expect(existsSync(join(ROOT, command[2] ?? ''))).to.equal(true)
    expect(text('mta.yaml')).to.include(`exec ${command.join(' ')}`)
  })

  it('has a sister for the router, which runs likewise what its folder holds', () => {
    const [router, ...others] = stagesOf(text('deploy/router/Dockerfile'))
    expect(others).to.deep.equal([])
    expect(settingOf(router, 'USER')).to.equal('node')
    const { scripts } = JSON.parse(text('deploy/router/package.json')) as { scripts: { start: string } }
    expect((JSON.parse(settingOf(router, 'CMD')) as string[]).join(' ')).to.equal(scripts.start)
    for (const file of settingOf(router, 'COPY').split(' ').slice(0, -1)) {
      expect(existsSync(join(ROOT, 'deploy/router', file)), file).to.equal(true)
    }
  })

  it('copies what the build makes, and nothing else gets into its context', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-image-'))
    try {
      const tarball = join(folder, 'cap-sluice-0.0.0.tgz')
      writeFileSync(tarball, '')
      deployable({ tarball, out: join(folder, 'srv'), lock: false })
      const made = [...readdirSync(join(folder, 'srv')), 'package-lock.json']
      const copied = dependencies?.instructions
        .filter(([name]) => name === 'COPY')
        .flatMap(([, rest]) => rest.split(' ').slice(0, -1))
      for (const source of copied ?? []) {
        const [, name = ''] = /^gen\/srv\/(.*)$/.exec(source) ?? ['', 'outside']
        expect(name === '' || made.some((each) => matchesGlob(each, name)), source).to.equal(true)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    const ignored = text('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(ignored.slice(0, 3)).to.deep.equal(['*', '!gen/srv', 'gen/srv/node_modules'])
  })
})
