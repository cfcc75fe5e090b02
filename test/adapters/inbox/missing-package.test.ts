import { expect } from 'chai'
import { orMissingPackage } from '../../../adapters/inbox/missing-package.ts'

const absent = (code: string, message: string) => Object.assign(new Error(message), { code })

describe('a package that is not installed', () => {
  for (const [what, thrown] of [
    ['as Node imports it', absent('ERR_MODULE_NOT_FOUND', "Cannot find package '@cap-js/sqlite' imported from /x.js")],
    ['by a path in it', absent('MODULE_NOT_FOUND', "Cannot find module '@cap-js/sqlite/lib/x.js'")],
    [
      'as CAP wraps it in a service of the app',
      new Error('Failed loading service implementation from @cap-js/sqlite', {
        cause: absent('MODULE_NOT_FOUND', "Cannot find module '/app/@cap-js/sqlite'\nRequire stack:\n- /app/x.js"),
      }),
    ],
  ] as const) {
    it(`is named with the remedy, ${what}`, () => {
      expect(orMissingPackage(thrown)).to.deep.include({
        code: 'configuration',
        message: 'The inbox needs the package @cap-js/sqlite, which is not installed. Run: npm add @cap-js/sqlite',
        retry: 'never',
        cause: thrown,
      })
    })
  }

  it('is told from every other fault', () => {
    for (const thrown of [
      absent('MODULE_NOT_FOUND', "Cannot find module './own.js'"),
      new Error("Cannot find module '@cap-js/sqlite'"),
      new Error('Failed loading service implementation from @cap-js/sqlite'),
      'text',
      undefined,
      null,
    ])
      expect(orMissingPackage(thrown)).to.equal(thrown)
  })
})
