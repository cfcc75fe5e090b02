import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const BLOCK = /^```(\S*)(?: (\S+))?\n([\s\S]*?)^```/gm

interface Guide {
  readonly text: string
  /** Blocks in the order of the page; one with a file's name after its language is that file. */
  readonly blocks: readonly { readonly language: string; readonly file: string | undefined; readonly text: string }[]
  /** What a reader types: lines of `sh` blocks, and of `console` blocks where asked for, without comments. */
  commands(language?: 'sh' | 'console'): readonly string[]
}

/** @param path of a Markdown file, from the root of the repository */
export const readGuide = (path: string): Guide => guideOf(readFileSync(join(ROOT, path), 'utf8'))

/** @param text of a Markdown file */
export function guideOf(text: string): Guide {
  const blocks = [...text.matchAll(BLOCK)].map(([, language = '', file, block = '']) => ({
    language,
    file,
    text: block,
  }))
  return {
    text,
    blocks,
    commands: (language = 'sh') =>
      blocks.filter((block) => block.language === language).flatMap((block) => commandLines(block.text)),
  }
}

/** One entry a command: a backslash goes on in the next line, and what stands behind ` #` is for people. */
const commandLines = (block: string): readonly string[] =>
  block
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
