import { crc32, inflateRawSync } from 'node:zlib'
import { SluiceError } from '#domain/errors'

/** An entry of an archive; nothing is unpacked before it is read. */
export interface ZipEntry {
  readonly name: string
  /** @throws SluiceError `archive` where it is damaged or larger than it says */
  read(): Buffer
}

/** What all of an archive may unpack to, nested ones included. */
export interface ZipBudget {
  bytes: number
}

const MAX_ENTRIES = 5_000
const MAX_ENTRY_BYTES = 8 * 1024 * 1024
export const MAX_UNPACKED_BYTES = 64 * 1024 * 1024

const END = 0x06054b50
const END_LENGTH = 22
const MAX_COMMENT = 0xffff
const CENTRAL = 0x02014b50
const CENTRAL_LENGTH = 46
const LOCAL = 0x04034b50
const LOCAL_LENGTH = 30
const ENCRYPTED = 1
const STORED = 0
const DEFLATED = 8
/** In a field of 32 bits: the number is in a ZIP64 record. */
const IN_ZIP64 = 0xffffffff

export const isZip = (bytes: Uint8Array): boolean => bytes[0] === 0x50 && bytes[1] === 0x4b

/**
 * The files of an archive by its central directory, bounded in number and size. Entries that are encrypted, lie outside
 * of the archive's own tree or are compressed in another way than *deflate* are refused.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT §4.3
 * @throws SluiceError `archive`
 */
export function readZip(bytes: Buffer, budget: ZipBudget): readonly ZipEntry[] {
  const end = findEnd(bytes)
  const count = bytes.readUInt16LE(end + 10)
  let at = bytes.readUInt32LE(end + 16)
  if (count > MAX_ENTRIES) throw broken(`has ${count} entries, ${MAX_ENTRIES} are the limit`)
  if (at === IN_ZIP64) throw broken('is a ZIP64 archive, which exports of this size are not')
  const entries: ZipEntry[] = []
  for (let n = 0; n < count; n++) {
    if (at + CENTRAL_LENGTH > end || bytes.readUInt32LE(at) !== CENTRAL) throw broken('has a damaged directory')
    const nameLength = bytes.readUInt16LE(at + 28)
    const next = at + CENTRAL_LENGTH + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
    if (next > end) throw broken('has a damaged directory')
    const name = bytes.toString('utf8', at + CENTRAL_LENGTH, at + CENTRAL_LENGTH + nameLength)
    if (/^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\0/.test(name)) throw broken('has an entry outside of its own folder')
    const place = at
    if (!name.endsWith('/')) entries.push({ name, read: () => unpack(bytes, place, budget) })
    at = next
  }
  return entries
}

function unpack(bytes: Buffer, central: number, budget: ZipBudget): Buffer {
  const flags = bytes.readUInt16LE(central + 8)
  const method = bytes.readUInt16LE(central + 10)
  const checksum = bytes.readUInt32LE(central + 16)
  const packed = bytes.readUInt32LE(central + 20)
  const local = bytes.readUInt32LE(central + 42)
  if ((flags & ENCRYPTED) !== 0) throw broken('is encrypted')
  if (local + LOCAL_LENGTH > bytes.length || bytes.readUInt32LE(local) !== LOCAL) throw broken('has a damaged entry')
  const start = local + LOCAL_LENGTH + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
  if (start + packed > bytes.length) throw broken('is cut off')
  const content = inflate(method, bytes.subarray(start, start + packed), Math.min(MAX_ENTRY_BYTES, budget.bytes))
  budget.bytes -= content.length
  if (crc32(content) !== checksum) throw broken('has a damaged entry')
  return content
}

/** The size that an entry states is not believed: unpacking itself stops at the limit. */
function inflate(method: number, packed: Buffer, limit: number): Buffer {
  if (method !== STORED && method !== DEFLATED) throw broken('is compressed in a way that exports are not')
  if (method === STORED && packed.length > limit) throw tooLarge()
  if (method === STORED) return packed
  if (limit < 1) throw tooLarge()
  try {
    return inflateRawSync(packed, { maxOutputLength: limit })
  } catch (thrown) {
    const { code = '' } = thrown as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge()
    if (/^Z_|^ERR_/.test(code)) throw broken('has a damaged entry')
    throw thrown
  }
}

/** The last record of an archive, before a comment of up to 64 KB. */
function findEnd(bytes: Buffer): number {
  const first = Math.max(0, bytes.length - END_LENGTH - MAX_COMMENT)
  for (let at = bytes.length - END_LENGTH; at >= first; at--) {
    if (bytes.readUInt32LE(at) === END) return at
  }
  throw broken('is cut off, or is no ZIP archive')
}

const tooLarge = (): SluiceError => broken('unpacks to more than a flow can have')

const broken = (what: string): SluiceError =>
  new SluiceError('archive', `The archive ${what}.`, {
    retry: 'never',
    remedy: 'Export the flow or its package again, and give that file as it is.',
  })
