import { expect } from 'chai'
import { type ODataEntitySpec, type ODataTargetOptions, odataTarget } from '../../../adapters/odata/index.ts'
import { thrownBy } from '../../helpers/faults.ts'

const good: ODataTargetOptions = {
  version: 'v2',
  url: 'https://erp.example/sap/opu/odata/sap/API_SALES_ORDER_SRV',
  auth: { kind: 'none' },
  entities: { A_SalesOrder: { key: ['SalesOrder'], reference: 'PurchaseOrderByCustomer' } },
}
const entity = (spec: ODataEntitySpec) => ({ entities: { A_SalesOrder: spec } })
const key = ['SalesOrder']

describe('options of an OData target', () => {
  const refused: readonly [what: string, change: object, pattern: RegExp][] = [
    ['an unknown version', { version: 'v3' }, /version/],
    ['no address', { url: 'erp' }, /url/],
    ['another protocol', { url: 'ftp://erp/' }, /url/],
    ['credentials in the address', { url: 'https://u:p@erp/' }, /credentials.*`auth`/],
    ['a query in the address', { url: 'https://erp/?sap-client=100' }, /sapClient/],
    ['unknown auth', { auth: { kind: 'saml' } }, /auth.kind/],
    ['an empty password', { auth: { kind: 'basic', user: 'u', password: '' } }, /auth.password/],
    ['a missing secret', { auth: { kind: 'oauth2', tokenUrl: 'https://t/', clientId: 'c' } }, /auth.clientSecret/],
    ['a user with a colon', { auth: { kind: 'basic', user: 'a:b', password: 'p' } }, /colon/],
    ['a token address', { auth: { kind: 'oauth2', tokenUrl: 't', clientId: 'c', clientSecret: 's' } }, /tokenUrl/],
    ['a wrong client', { sapClient: '1' }, /sapClient/],
    ['a negative time', { settleMs: -1 }, /settleMs/],
    ['no time at all', { timeoutMs: 0 }, /timeoutMs/],
    ['a header of ours', { headers: { Authorization: 'x' } }, /Authorization.*`auth`/],
    ['a header with a line break', { headers: { x: 'a\r\nb' } }, /malformed/],
    ['no entities', { entities: {} }, /entities/],
    ['a path as an entity', { entities: { 'a/b': { key } } }, /a\/b/],
    ['no key', entity({ key: [], reference: 'R' }), /A_SalesOrder.*key/],
    ['a key twice', entity({ key: ['A', 'A'], reference: 'R' }), /key/],
    ['an element that is none', entity({ key, reference: 'R eq 1' }), /R eq 1/],
    ['an unknown onAmbiguous', entity({ key, onAmbiguous: 'guess' } as unknown as ODataEntitySpec), /onAmbiguous/],
    ['a create that could not be recognized', entity({ key }), /A_SalesOrder.*made twice.*reference.*onAmbiguous/],
  ]
  for (const [what, change, pattern] of refused) {
    it(`refuse ${what}, and say what to do`, () => {
      const fault = thrownBy(() => odataTarget({ ...good, ...change } as ODataTargetOptions))
      expect(fault).to.include({ code: 'configuration', retry: 'never' })
      expect(fault.message).to.match(pattern)
      expect(fault.remedy).to.be.a('string')
    })
  }

  it('never show a secret', () => {
    const auth = { kind: 'basic', user: 'a:b', password: 'geheim' } as const
    expect(thrownBy(() => odataTarget({ ...good, auth })).message).to.not.include('geheim')
  })

  it('accept what can be recognized, decided, or not written', async () => {
    for (const spec of [
      { key, reference: 'R' },
      { key, onAmbiguous: 'park' as const },
      { key, onAmbiguous: 'repeat' as const },
      { key, readonly: true },
    ]) {
      const target = odataTarget({ ...good, ...entity(spec) })
      expect(target.kind).to.equal('odata-v2')
      await target.close?.()
    }
    expect(odataTarget({ ...good, version: 'v4' }).kind).to.equal('odata-v4')
  })
})
