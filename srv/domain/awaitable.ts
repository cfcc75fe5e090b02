import type { Awaitable } from './source.ts'

/** What follows, at once where the value is there: a promise for nothing would cost each delivery a turn. */
export const andThen = <From, To>(value: Awaitable<From>, next: (value: From) => To): Awaitable<To> =>
  value instanceof Promise ? value.then(next) : next(value)
