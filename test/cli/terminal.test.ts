import { resolve } from 'node:path'
import { expect } from 'chai'
import { endAll, NODE_COMMAND, type RunOptions, sluice, start } from './helpers/cli.ts'
import { SECRET, SOURCES, type TestGateway, testGateway } from './helpers/gateway.ts'

const PTY = resolve(import.meta.dirname, 'helpers/in_terminal.py')
// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal takes for color
const COLOR = /\u001b\[\d+m/

/** Python's standard library has pseudo-terminals where there are any; Node's has none. */
const describeUnix = process.platform === 'win32' ? describe.skip : describe

describeUnix('sluice in a terminal', () => {
  let gateway: TestGateway
  before(async () => {
    gateway = await testGateway({ github: SOURCES.github })
    await sluice(['send', 'github', '--url', `${gateway.url}/webhooks/github`, '--secret', 'env:SECRET'], {
      env: { SECRET },
    })
  })
  afterEach(endAll)
  after(() => gateway?.cleanUp())

  /** In a pseudo-terminal. Lines of `typed`: what to wait for, a tab, what to type. */
  const inTerminal = async (
    columns: number,
    args: readonly string[],
    env: Record<string, string> = {},
    typed: RunOptions['input'] = '',
  ) => {
    const all = { TERM: 'xterm-256color', SLUICE_URL: gateway.url, SLUICE_USER: 'operator', ...env }
    const command = ['python3', PTY, String(columns), ...NODE_COMMAND]
    const { code, stdout } = await start(args, { command, env: all, input: typed }).ended
    return { code, text: stdout.replaceAll('\r\n', '\n') }
  }

  it('has colors, and none with NO_COLOR, on a dumb terminal and in a pipe', async () => {
    expect((await inTerminal(120, ['tail', '--once'])).text).to.match(COLOR)
    expect((await inTerminal(120, ['tail', '--once'], { NO_COLOR: '1' })).text).not.to.match(COLOR)
    expect((await inTerminal(120, ['tail', '--once'], { TERM: 'dumb' })).text).not.to.match(COLOR)
    const env = { TERM: 'xterm-256color', SLUICE_URL: gateway.url, SLUICE_USER: 'operator' }
    expect((await sluice(['tail', '--once'], { env })).stdout).not.to.match(COLOR)
  })

  it('fits in 40 columns: tables become blocks, and nothing is lost of a key', async () => {
    const { code, text } = await inTerminal(40, ['events'], { NO_COLOR: '1' })
    expect(code).to.equal(0)
    for (const line of text.split('\n')) expect(line.length, line).to.be.at.most(40)
    const [key] = /"event":"([0-9a-f-]{36})"/.exec((await gateway.run(['events', '--json'])).stdout)?.slice(1) ?? []
    expect(text.replaceAll(/\s+/g, '')).to.include(key)
    expect(text).to.match(/^state: +done$/m)
  })

  for (const args of [
    ['tail', '--once'],
    ['doctor', '/nowhere'],
    ['verify', 'github', '--secret', 'env:SECRET', '--body', 'test/cli/fixtures/failing.json'],
    ['evnts', 'of', 'yesterday'],
    ['--help'],
    ['send', '--help'],
    ['verify', '--help'],
  ]) {
    it(`fits in 40 columns: ${args.join(' ')}`, async () => {
      const { text } = await inTerminal(40, args, { NO_COLOR: '1', SECRET })
      for (const line of text.split('\n')) expect(line.length, line).to.be.at.most(40)
      expect(text.trim()).not.to.equal('')
    })
  }

  it('asks for a secret without showing it', async () => {
    const typed = `secret (not shown): \t${SECRET}\\r\n`
    const { code, text } = await inTerminal(
      80,
      ['send', 'github', '--url', `${gateway.url}/webhooks/github`],
      {},
      typed,
    )
    expect(text).to.include('accepted')
    expect(code).to.equal(0)
    expect(text).not.to.include(SECRET)
  })

  it('asks before it acts on many, and takes no for an answer', async () => {
    const replay = (answer: string) => inTerminal(80, ['replay', '--source', 'github'], {}, `[y/N] \t${answer}\\r\n`)
    const refused = await replay('n')
    expect(refused.text)
      .to.match(/Really replay \d events\? \[y\/N\]/)
      .and.to.include('Nothing was done.')
    expect((await gateway.run(['events', '--json'])).stdout).not.to.include(':all:2')
    expect((await replay('y')).text).to.include('replay ')
    expect((await gateway.run(['events', '--json'])).stdout).to.include(':all:2')
  })

  it('shows progress on long work, and only there', async () => {
    const args = ['send', 'github', '--url', `${gateway.url}/webhooks/github`, '--secret', 'env:SECRET', '--count', '3']
    expect((await inTerminal(80, args, { SECRET })).text).to.include('2 of 3')
    expect((await inTerminal(80, args, { SECRET, TERM: 'dumb' })).text).not.to.include('2 of 3')
    const piped = await sluice(args, { env: { SECRET } })
    expect(piped.stdout + piped.stderr).not.to.include('2 of 3')
  })

  it('ends quietly where the reader of the pipe has gone', async () => {
    const command = ['sh', '-c', '"$@" | head -n 1', 'sh', ...NODE_COMMAND]
    const env = { SLUICE_URL: gateway.url, SLUICE_USER: 'operator' }
    const { stdout, stderr } = await sluice(['tail', '--since', '1d', '--once'], { command, env })
    expect(stdout.split('\n')).to.have.length(2)
    expect(stderr).to.equal('')
  })

  it('ends with 130 on Ctrl-C in the middle of its work', async () => {
    const args = [
      'send',
      'github',
      '--url',
      `${gateway.url}/webhooks/github`,
      '--secret',
      'env:SECRET',
      '--count',
      '100000',
    ]
    const { code, text } = await inTerminal(80, args, { SECRET }, '3 of 100000\t\\x03\n')
    expect(code, text.slice(-300)).to.equal(130)
  })
})
