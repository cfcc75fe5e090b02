import { expect } from 'chai'
import { SluiceError } from '#domain/errors'

/** The fault a promise ends with; a test fails where it does not, or with anything else. */
export async function faultOf(promise: Promise<unknown>): Promise<SluiceError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown, 'what was thrown').to.be.instanceOf(SluiceError)
  return thrown as SluiceError
}

export function thrownBy(run: () => unknown): SluiceError {
  try {
    run()
  } catch (thrown) {
    expect(thrown).to.be.instanceOf(SluiceError)
    return thrown as SluiceError
  }
  throw new Error('nothing was thrown')
}
