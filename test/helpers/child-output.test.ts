import { spawn } from 'node:child_process'
import { expect } from 'chai'
import { outputOf } from './child-output.ts'

const node = (script: string) => spawn(process.execPath, ['--eval', script])
const failureOf = (promise: Promise<void>) => promise.then(() => 'none', String)

describe('the output of a child', () => {
  // Fails where only standard output wakes who waits: a warning that comes last is never seen.
  it('is heard whichever stream says it last', async () => {
    const child = node(`console.log('first'); process.stdin.once('end', () => console.error('last')).resume()`)
    const { says, ended } = outputOf(child)
    await says('first')
    const last = says(/last/)
    child.stdin.end()
    await last
    expect(await ended).to.equal(0)
  })

  it('is shown to who waits in vain, when the child ends and when the time is over', async () => {
    const quick = outputOf(node(`console.log('out'); console.error('err'); process.exitCode = 3`))
    expect(await failureOf(quick.says('never')))
      .to.match(/it ended with 3, without never:\n/)
      .and.include('out\n')
      .and.include('err\n')
    const endless = node(`console.log('waits'); setInterval(() => {}, 1_000)`)
    const { says, ended } = outputOf(endless)
    await says('waits')
    expect(await failureOf(says('never', 1))).to.include('1 ms have passed, without never:\nwaits')
    endless.kill('SIGKILL')
    expect(await ended).to.equal('SIGKILL')
  })
})
