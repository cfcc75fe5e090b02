import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { COMMAND_NAMES, main } from '../../bin/cli.ts'
import { EXIT } from '../../bin/exit.ts'
import type { Terminal } from '../../bin/terminal.ts'
import { endAll, NODE_COMMAND, ROOT, sluice } from './helpers/cli.ts'

const GUIDE = resolve(ROOT, 'docs/guides/cli.md')
const MARK = /<!-- What follows is `--help`.*-->\n/

describe('the help of sluice', () => {
  afterEach(endAll)

  /** In this process: what is said depends on the words only. */
  const say = async (...words: string[]) => {
    const said = { stdout: '', stderr: '' }
    const terminal: Terminal = {
      env: {},
      cwd: ROOT,
      columns: undefined,
      interactive: false,
      interruption: () => new AbortController().signal,
      out: (line) => {
        said.stdout += `${line}\n`
      },
      note: (line) => {
        said.stderr += `${line}\n`
      },
      progress: () => undefined,
      paint: (_style, text) => text,
      ask: () => Promise.reject(new Error('nobody is there')),
    }
    return { code: await main(words, terminal), ...said }
  }
  const help = async (...args: string[]) => {
    const { code, stdout } = await say(...args, '--help')
    expect(code).to.equal(0)
    return stdout
  }
  const section = async (...args: string[]) => {
    const text = (await help(...args)).trim().replaceAll(/[ \t]+$/gm, '')
    return `\n### sluice${args.map((each) => ` ${each}`).join('')}\n\n\`\`\`text\n${text}\n\`\`\`\n`
  }

  it('is what the guide says, command by command', async () => {
    const guide = readFileSync(GUIDE, 'utf8')
    const sections = [await section()]
    for (const name of COMMAND_NAMES) sections.push(await section(name))
    const end = guide.search(MARK) + (MARK.exec(guide)?.[0].length ?? 0)
    const expected = guide.slice(0, end) + sections.join('')
    if (process.env.UPDATE_DOCS) writeFileSync(GUIDE, expected)
    else
      expect(guide === expected, 'docs/guides/cli.md is not up to date: run this test with UPDATE_DOCS=1').to.equal(
        true,
      )
  })

  it('has an example for every command, and knows each option in it', async () => {
    for (const name of COMMAND_NAMES) {
      const text = await help(name)
      const [options = '', examples = ''] = text.split('Examples:')
      expect(examples, name).to.include(`sluice ${name}`)
      for (const [option] of examples.matchAll(/--[a-z][\w-]*/g))
        expect(options, `${name} ${option}`).to.include(option)
      expect(options, name).to.include('--json')
    }
  })

  it('names every exit code in the guide', () => {
    const guide = readFileSync(GUIDE, 'utf8')
    for (const code of Object.values(EXIT)) expect(guide).to.include(`| ${code} |`)
  })

  it('is the same in every language of the machine', async () => {
    const plain = await sluice(['--help'])
    expect(plain.stdout).to.equal(await help())
    const german = await sluice(['--help'], { env: { LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' } })
    expect(german.stdout).to.equal(plain.stdout)
  })

  it('tells the version', async () => {
    const { version } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'))
    expect((await sluice(['--version'])).stdout).to.equal(`${version}\n`)
  })

  const wrong: [string[], RegExp][] = [
    [['evnets'], /Unknown word: evnets\. Did you mean events\?/],
    [['sned', 'stripe'], /^Unknown word: sned\. Did you mean send\? See sluice --help\.$/m],
    [['events', '--staet', 'dead'], /Unknown word: staet\. Did you mean --state\?/],
    [['send', 'stripe', '--tampr'], /Did you mean --tamper\?/],
    [['events', '--state', 'daed'], /There is no state "daed"\. Did you mean dead\? Choose one of waiting/],
    [['completion', 'bahs'], /Did you mean bash\?/],
    [['qwertz'], /Unknown word: qwertz\. See sluice --help\./],
    [[], /Commands:\n.*sluice send/],
    [['--json'], /"message":"Which command\?","remedy":"See sluice --help\."/],
    [['show'], /A word is missing\. Write sluice show <event>\./],
    [['events', '--source'], /--source wants a value\. See sluice events --help\./],
    [['events', '--since', 'yesterday'], /--since: "yesterday" is no moment/],
    [['events', '--limit', 'many'], /--limit is no count/],
  ]
  for (const [args, message] of wrong) {
    it(`ends with 2 for "${args.join(' ')}", and suggests the right word`, async () => {
      const { code, stdout, stderr } = await say(...args)
      expect(stderr).to.match(message)
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
    })
  }

  it('completes commands, options and values', async () => {
    const complete = async (...words: string[]) =>
      (await sluice(['--get-yargs-completions', 'sluice', ...words], { env: { SHELL: '/bin/bash' } })).stdout.split(
        '\n',
      )
    expect(await complete('')).to.include.members(['send', 'tail', 'events', 'doctor'])
    expect(await complete('events', '--s')).to.include.members(['--state', '--since', '--source', '--subscription'])
    expect(await complete('send', '')).to.include.members(['stripe', 'github'])
  })

  it('completes in bash', async function () {
    if (process.platform === 'win32') this.skip()
    const folder = mkdtempSync(join(tmpdir(), 'sluice-completion-'))
    try {
      const quoted = NODE_COMMAND.map((word) => `'${word}'`).join(' ')
      writeFileSync(join(folder, 'sluice'), `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 })
      const script = `eval "$(sluice completion bash)"; COMP_WORDS=(sluice ev); COMP_CWORD=1; _sluice; echo "\${COMPREPLY[@]}"`
      const env = { PATH: `${folder}:${process.env.PATH}` }
      expect((await sluice(['-c', script], { command: ['bash'], env })).stdout).to.equal('events\n')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  for (const shell of ['bash', 'zsh', 'fish']) {
    it(`prints a script for ${shell}`, async () => {
      const { code, stdout } = await say('completion', shell)
      expect(code).to.equal(0)
      expect(stdout).to.include('sluice --get-yargs-completions')
    })
  }
})
