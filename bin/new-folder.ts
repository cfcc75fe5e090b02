import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { usage } from './exit.ts'
import { safe } from './text.ts'

const SHOWN = 5

/** @throws SluiceError `usage` naming what is there; a repository that is new is as good as nothing */
export function refuseFull(folder: string): void {
  const found = entriesOf(folder).filter((entry) => entry !== '.git')
  if (found.length === 0) return
  const names = found.slice(0, SHOWN).map(safe).join(', ')
  const more = found.length > SHOWN ? ` and ${found.length - SHOWN} more` : ''
  throw usage(`${folder} is not empty: ${names}${more}.`, 'Name another folder; nothing was written.')
}

/** @param files text by path from the folder */
export function writeNew(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    // Nobody else's file is overwritten, not even one that came this moment.
    writeFileSync(file, text, { flag: 'wx', mode: path === '.env' ? 0o600 : 0o644 })
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    throw usage(`${folder} cannot be used (${code}).`, 'Name a folder.')
  }
}
