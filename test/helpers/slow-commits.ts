import { DatabaseSync } from 'node:sqlite'

/** Preloaded by `--import`, in the store's thread too: a slow disk, so that whoever answers before the commit is caught. */
const { exec } = DatabaseSync.prototype
const never = new Int32Array(new SharedArrayBuffer(4))
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  if (sql === 'COMMIT') Atomics.wait(never, 0, 0, 5)
  exec.call(this, sql)
}
