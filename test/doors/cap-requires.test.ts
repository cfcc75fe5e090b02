import { expect } from 'chai'
import { checkCopies, checkRequires, checkVersion, completeRequires, type Requires } from '../../srv/cap/requires.ts'

const kinds = () => ({ sqlite: { impl: '@cap-js/sqlite', kind: 'sqlite' } })
const completed = (requires: Partial<Requires>) => {
  const all = { kinds: kinds(), ...requires } as Requires
  completeRequires(all, 'the class')
  return all
}

describe('cds.requires in an app with Sluice', () => {
  it('gives the class to cds.requires.sluice and, where that is missing, to its kind', () => {
    expect(completed({ sluice: { credentials: { a: 'b' } } }).sluice).to.deep.equal({
      kind: 'sluice',
      credentials: { a: 'b' },
      impl: 'the class',
    })
    const bare = completed({})
    expect(bare.sluice).to.equal(undefined)
    expect(bare.kinds.sluice).to.deep.equal({ kind: 'sluice', impl: 'the class' })
  })

  for (const db of [undefined, { kind: 'sqlite', credentials: { url: ':memory:' } }]) {
    it(`puts the inbox into a file of its own beside ${db ? 'SQLite' : 'no database'}`, () => {
      expect(completed(db ? { db } : {})['sluice-db']).to.deep.equal({
        impl: '@cap-js/sqlite',
        kind: 'sqlite',
        credentials: { url: 'sluice.db' },
      })
    })
  }

  for (const kind of ['postgres', 'hana']) {
    it(`puts the inbox into the app's ${kind}, as a service of its own`, () => {
      const db = { kind, credentials: { host: 'h' } }
      const all = completed({ db })
      expect(all['sluice-db']).to.deep.equal(db)
      expect(all['sluice-db'] === db, 'shared').to.equal(false)
    })
  }

  it('leaves what the app configures', () => {
    const own = { kind: 'sqlite', credentials: { url: '/data/inbox.db' } }
    expect(completed({ db: { kind: 'postgres' }, 'sluice-db': own })['sluice-db']).to.equal(own)
  })

  it('refuses several tenants, and a file where disks do not last', () => {
    const file = completed({})
    expect(() => checkRequires(file, {})).not.to.throw()
    expect(() => checkRequires({ ...file, multitenancy: true }, {})).to.throw(/one tenant/)
    expect(() => checkRequires(file, { CF_INSTANCE_GUID: 'g' })).to.throw(/Cloud Foundry throws away/)
    expect(() => checkRequires(completed({ db: { kind: 'postgres' } }), { CF_INSTANCE_GUID: 'g' })).not.to.throw()
  })

  it('refuses a second copy of @sap/cds, and compares only where the app has one', () => {
    expect(() => checkCopies('/a/cds', '/a/cds')).not.to.throw()
    expect(() => checkCopies('/a/cds', undefined)).not.to.throw()
    expect(() => checkCopies('/b/cds', '/a/cds')).to.throw(/from \/a\/cds.*another copy, \/b\/cds/)
  })

  it('refuses a major version of @sap/cds that it was not made for', () => {
    expect(() => checkVersion('10.1.1')).not.to.throw()
    expect(() => checkVersion('11.0.0')).not.to.throw()
    expect(() => checkVersion('9.8.2')).to.throw(/runs @sap\/cds 9\.8\.2; cap-sluice needs 10\. Run npm add/)
  })
})
