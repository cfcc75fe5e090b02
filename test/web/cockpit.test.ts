import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { openBrowser } from '../helpers/browser.ts'
import { type TestApp, testApp } from '../service/app.ts'

describe('the live page', () => {
  let app: TestApp
  let browser: Browser
  before(async function () {
    browser = await openBrowser(this)
    app = await testApp({
      subscriptions: { orders: { on: '*', handler: 'test/service/handlers', order: 'park', retry: { attempts: 1 } } },
    })
  })
  after(async () => {
    await browser?.close()
    await app?.cleanUp()
  })

  const open = async (user: string, path = '/cockpit/') => {
    const context = await browser.newContext({ httpCredentials: { username: user, password: '' } })
    const page = await context.newPage()
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(error.message))
    await page.goto(app.url + path)
    return { page, problems }
  }

  it('shows an event and what became of it, without being reloaded', async () => {
    const { page, problems } = await open('viewer')
    await page.getByText('No events yet').waitFor()
    await app.deliver('seen')
    await page.getByRole('cell', { name: 'orders: done' }).waitFor()
    await app.deliver('fails', '{"fail":"no"}')
    await page.getByText('orders: dead (Error)').waitFor()
    await page.getByText('1 done').waitFor()
    expect(problems).to.deep.equal([])
  })

  it('shows what a sender wrote as text, never as markup', async () => {
    await app.request('/webhooks/orders', { method: 'POST' })
    await app.deliver('markup', '{}', '<img src=x onerror=alert(1)>')
    const { page } = await open('viewer')
    await page.getByText('hmac.<img src=x onerror=alert(1)>').waitFor()
    expect(await page.locator('#events img').count()).to.equal(0)
  })

  it('says which role is missing', async () => {
    const { page } = await open('nobody')
    await page.getByText('You need the role SluiceViewer').waitFor()
  })

  it('says what its counts are of, once there is more than it shows', async () => {
    const { page } = await open('viewer')
    await page.getByText(/^0 waiting · \d done · /).waitFor()
    for (let n = 1; n <= 50; n += 1) await app.deliver(`many-${n}`)
    await page.getByText('Of the latest 50 events: 0 waiting · 50 done · 0 skipped · 0 dead · 0 unsure').waitFor()
    expect(await page.locator('#events tr').count()).to.equal(50)
  })

  it('works on a narrow screen and in the dark', async () => {
    const { page } = await open('viewer')
    await page.setViewportSize({ width: 380, height: 700 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.getByRole('cell', { name: 'orders: done' }).first().waitFor()
    const overflow = await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
    expect(overflow).to.equal(false)
    if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT })
  })
})
