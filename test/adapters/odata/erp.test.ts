import { expect } from 'chai'
import type { Target } from '#domain/target'
import { odataTarget } from '../../../adapters/odata/index.ts'
import { type ErpSandbox, erpSandbox } from '../../../testing/index.ts'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { type TargetFixture, targetSuite } from '../../suites/target.suite.ts'

const roots = { v2: '/sap/opu/odata/sap/API_SALES_ORDER_SRV', v4: '/sap/opu/odata4/sap/API_SALES_ORDER_SRV' }

for (const version of ['v2', 'v4'] as const) {
  describe(`odata target against an ERP, ${version}`, () => {
    let erp: ErpSandbox
    let target: Target

    before(async () => {
      erp = await erpSandbox()
      target = odataTarget({
        version,
        url: erp.url + roots[version],
        auth: { kind: 'basic', user: erp.user, password: erp.password },
        settleMs: 60_000,
        entities: {
          A_SalesOrder: {
            key: ['SalesOrder'],
            object: 'SalesOrder',
            version: 'LastChangeDateTime',
            reference: 'PurchaseOrderByCustomer',
            guard: 'ExternalDocLastChangeDateTime',
          },
        },
      })
    })
    after(async () => {
      await target?.close?.()
      await erp?.stop()
    })

    targetSuite(
      version,
      (): TargetFixture => ({
        target,
        entity: 'A_SalesOrder',
        settleMs: 60_000,
        changing: 'SoldToParty',
        sample: (value) => ({ SalesOrderType: 'OR', SalesOrganization: '1010', SoldToParty: value }),
        values: async (reference) =>
          (await erp.rows('A_SalesOrder'))
            .filter((row) => row.PurchaseOrderByCustomer === reference)
            .map((row) => String(row.SoldToParty)),
        changeBehind: async (key, value) => {
          const data = { SoldToParty: value }
          await erp.change({ entity: 'A_SalesOrder', action: 'change', key: String(key.SalesOrder), data })
        },
        loseNextAnswer: async () => {
          await erp.switch({ commitThenCut: 1 })
        },
        holdNextCommit: async () => {
          await erp.switch({ cutThenCommit: 1 })
        },
        release: async () => {
          await erp.release()
        },
        requests: async () => Object.values((await erp.log()).counts).reduce((sum, count) => sum + count, 0),
      }),
    )

    describe('in its bad moments', () => {
      const order = { SalesOrderType: 'OR', SalesOrganization: '1010', SoldToParty: '17100001' }
      const create = (reference: string) =>
        target.session(dispatchScopes().nextTry()).create('A_SalesOrder', order, { reference })
      const counts = async (pattern: RegExp) =>
        Object.entries((await erp.log()).counts)
          .filter(([name]) => pattern.test(name))
          .reduce((sum, [, count]) => sum + count, 0)

      it('opens one new session for 20 writers whose own has expired', async () => {
        await create('before')
        await erp.switch({ expireSessions: true })
        await erp.clearLog()
        await Promise.all(Array.from({ length: 20 }, (_, n) => create(`expired-${n}`)))
        expect(await counts(/^(HEAD|GET) \//)).to.equal(1)
        expect(await counts(/^POST A_SalesOrder 201/)).to.equal(20)
      })

      it('waits for who has locked the order', async () => {
        const { key = {} } = await create('locked')
        await erp.switch({ lock: { times: 1, status: 400 } })
        const update = () =>
          target.session(dispatchScopes().nextTry()).update('A_SalesOrder', key, { SoldToParty: '2' })
        expect(await faultOf(update())).to.include({ code: 'target-locked', effect: 'none', httpStatus: 400 })
        expect((await update()).outcome).to.equal('updated')
      })

      it('comes again when a busy ERP says so', async () => {
        await erp.switch({ throttle: { times: 1, status: 503, retryAfter: 7 } })
        const fault = await faultOf(create('busy'))
        expect(fault).to.include({ code: 'target-busy', effect: 'none' })
        expect(fault.retry).to.deep.equal({ afterMs: 7_000 })
        expect((await create('busy')).outcome).to.equal('created')
      })

      it('knows an ERP that is down from one that hangs up', async () => {
        await erp.switch({ down: 'refuse' })
        expect(await faultOf(create('down'))).to.include({ effect: 'none' })
        await erp.switch({ down: false })
        expect((await create('down')).outcome).to.equal('created')
      })

      it('ends for good on a business error, with SAP’s text', async () => {
        const session = target.session(dispatchScopes().nextTry())
        const fault = await faultOf(session.create('A_SalesOrder', {}, { reference: 'incomplete' }))
        expect(fault).to.include({ code: 'target-rejected', retry: 'never', effect: 'none' })
        expect(fault.message).to.match(
          /^Enter a value for SalesOrderType \(HTTP 400, code SLUICE\/001, transaction \w{32}/,
        )
      })

      it('inserts deeply, and reads the items back', async () => {
        const scope = dispatchScopes().nextTry()
        const items = [{ Material: 'TG11', RequestedQuantity: '2.000', RequestedQuantityUnit: 'PC' }]
        const { key = {} } = await target
          .session(scope)
          .create('A_SalesOrder', { ...order, to_Item: items }, { reference: 'deep' })
        const record = await target.session(scope).read('A_SalesOrder', key, { expand: ['to_Item'] })
        expect(record?.data).to.nested.include({
          'to_Item[0].Material': 'TG11',
          'to_Item[0].RequestedQuantity': '2.000',
        })
      })
    })
  })
}
