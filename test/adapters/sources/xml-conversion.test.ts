import { expect } from 'chai'
import fc from 'fast-check'
import { SluiceError } from '#domain/errors'
import type { StoredEvent } from '#domain/event'
import { http } from '../../../adapters/sources/http.ts'
import { xmlToJson } from '../../../adapters/sources/index.ts'
import { bytes, deliver, draftOf, normalize } from '../../helpers/deliveries.ts'

const source = http({ path: 'xml', auth: { kind: 'none' } })
const byId = http({ path: 'xml', auth: { kind: 'none' }, id: '/a/b' })
const headers = { 'content-type': 'application/xml' }
/** What is stored of a body of kind `http`. */
const stored = (body: string | Uint8Array, type = 'application/xml') =>
  draftOf(source, { body, headers: { 'content-type': type } }) as unknown as StoredEvent
const toJson = (body: string | Uint8Array, type?: string, arrays?: readonly string[]) => {
  const { data = '', dataBase64, attributes } = xmlToJson(arrays ? { arrays } : {})(stored(body, type)) as StoredEvent
  expect([dataBase64, attributes.datacontenttype]).to.deep.equal([undefined, 'application/json'])
  return JSON.parse(data) as unknown
}
const refusal = async (body: string | Uint8Array): Promise<SluiceError | undefined> => {
  try {
    await xmlToJson()(stored(body))
    return undefined
  } catch (thrown) {
    if (thrown instanceof SluiceError) return thrown
    throw thrown
  }
}
const refused = async (body: string): Promise<string> => {
  const { code, message, retry } = (await refusal(body)) ?? {}
  return `${code}: ${/ \((.+)\)\. /.exec(message ?? '')?.[1]}, ${retry}`
}

describe('xmlToJson', () => {
  it('keeps values as text, by local names, with attributes beside', () => {
    const body =
      '<?xml version="1.0" encoding="UTF-8"?>\n<!-- c --><n:Order xmlns:n="urn:o" n:id="0010" note="a&amp;b">\n' +
      ' <n:Item>1.50</n:Item><Item/><Text><![CDATA[<b> &amp;]]> x</Text><Mixed>a<b>1</b>c</Mixed>\n</n:Order>'
    expect(toJson(body)).to.deep.equal({
      Order: {
        '@id': '0010',
        '@note': 'a&b',
        Item: ['1.50', ''],
        Text: '<b> &amp; x',
        Mixed: { b: '1', '#text': 'ac' },
      },
    })
  })

  it('decodes the five entities and characters by number, each once', () => {
    expect(toJson('<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F6B0;&amp;lt;</a>')).to.deep.equal({ a: `<>&'"A🚰&lt;` })
  })

  it('takes names that mean something to JavaScript for names', () => {
    expect(toJson('<a><toString>1</toString><hasOwnProperty>2</hasOwnProperty></a>')).to.deep.equal({
      a: { toString: '1', hasOwnProperty: '2' },
    })
  })

  it('reads the charset of the content type, of the declaration, or of the byte order mark', () => {
    const latin = Uint8Array.from([...bytes('<?xml version="1.0" encoding="ISO-8859-1"?><a>'), 0xfc, ...bytes('</a>')])
    expect(toJson(latin)).to.deep.equal({ a: 'ü' })
    const plain = Uint8Array.from([...bytes('<a>'), 0xfc, ...bytes('</a>')])
    expect(toJson(plain, 'text/xml; charset=iso-8859-1')).to.deep.equal({ a: 'ü' })
    const utf16 = Buffer.concat([Uint8Array.of(0xff, 0xfe), Buffer.from('<a>ü</a>', 'utf16le')])
    expect(toJson(utf16)).to.deep.equal({ a: 'ü' })
    expect(toJson(`\ufeff<a>ü</a>`)).to.deep.equal({ a: 'ü' })
  })

  it('makes lists of what `arrays` names, by its path from the root', () => {
    const body = '<n:ORDERS05 xmlns:n="u"><IDOC><E1EDP01><A>1</A></E1EDP01><A/></IDOC></n:ORDERS05>'
    expect(toJson(body, 'text/xml', ['/ORDERS05/IDOC/E1EDP01', 'ORDERS05/A'])).to.deep.equal({
      ORDERS05: { IDOC: { E1EDP01: [{ A: '1' }], A: '' } },
    })
  })

  it('takes XML under any type but JSON’s, and leaves JSON and an event without data as they are', () => {
    for (const type of ['text/xml', 'application/soap+xml; charset=utf-8', 'text/plain', 'application/octet-stream']) {
      expect(toJson('<a>1</a>', type), type).to.deep.equal({ a: '1' })
    }
    for (const event of [
      stored('{"a": 12345678901234567890}', 'application/json'),
      { ...stored('<a/>'), data: undefined } as unknown as StoredEvent,
    ]) {
      expect(xmlToJson()(event)).to.equal(event)
    }
  })

  it('takes 256 attributes, however their blanks lie, and blanks and words without end within one', () => {
    const all = Array.from({ length: 256 }, (_, n) => `\n a${n} = '${n}'`).join('')
    expect(Object.keys((toJson(`<a ${all}/>`) as { a: object }).a)).to.have.length(256)
    const text = 'word > '.repeat(2_000)
    expect(toJson(`<a b="${text}">${text}</a>`)).to.deep.equal({ a: { '@b': text, '#text': text } })
  })

  it('changes nothing of what is stored', () => {
    const event = stored('<a>1</a>')
    const before = structuredClone(event)
    xmlToJson()(event)
    expect(event).to.deep.equal(before)
  })

  it('keeps the text of any value', () => {
    const text = fc.string({ unit: 'grapheme' }).map((one) => one.replaceAll(/[\p{Cc}\ufffe\uffff]/gu, ''))
    const escaped = (one: string) => one.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    fc.assert(
      fc.property(text, (one) => {
        expect(toJson(`<a><b>${escaped(one)}</b></a>`)).to.deep.equal({ a: { b: one } })
      }),
    )
  })
})

const LOL = `<!DOCTYPE lolz [<!ENTITY a "lol">${Array.from(
  { length: 9 },
  (_, n) => `<!ENTITY ${'bcdefghij'[n]} "${`&${'abcdefghi'[n]};`.repeat(10)}">`,
).join('')}]><a>&j;</a>`

describe('xmlToJson: XML that is an attack ends the dispatch at once', () => {
  for (const [what, body, reason] of [
    ['a bomb of entities', LOL, 'xml-forbidden: document type'],
    ['an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', 'xml-forbidden'],
    ['an external document type', '<!DOCTYPE a SYSTEM "http://example.test/a.dtd"><a/>', 'xml-forbidden'],
    ['a parameter entity', '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://example.test/">%p;]><a/>', 'xml-forbidden'],
    ['a declaration behind a comment', '<!-- a --><!DOCTYPE a><a/>', 'xml-forbidden'],
    ['a declaration inside', '<a><!ENTITY x "y"></a>', 'xml-forbidden'],
    ['an entity nobody declared', '<a>&x;</a>', 'not-xml: entity'],
    ['one in an attribute', '<a b="&x;"/>', 'not-xml: entity'],
    ['an entity that does not end', '<a>&amp</a>', 'not-xml'],
    ['a character that XML has not', '<a>&#0;</a>', 'not-xml: entity'],
    ['half a character', '<a>&#xD800;</a>', 'not-xml: entity'],
    ['101 levels', `${'<a>'.repeat(102)}${'</a>'.repeat(102)}`, 'xml-forbidden: limits'],
    ['half a million levels', '<a>'.repeat(500_000), 'xml-forbidden: limits'],
    ['more than a million tags', `<r>${'<a/>'.repeat(1_000_001)}</r>`, 'xml-forbidden: limits'],
    ['300 attributes', `<a ${Array.from({ length: 300 }, (_, n) => `a${n}="1"`).join(' ')}/>`, 'xml-forbidden: limits'],
    ['a million words in a tag', `<a ${'b '.repeat(1_000_000)}/>`, 'xml-forbidden: limits'],
    ['a million equal attributes', `<a ${'b="c" '.repeat(1_000_000)}/>`, 'xml-forbidden: limits'],
    ['a million words in an instruction', `<?a ${'b '.repeat(1_000_000)}?><a/>`, 'xml-forbidden: limits'],
    ['a megabyte of open comments', `<a>${'<!--'.repeat(250_000)}</a>`, 'not-xml'],
    ['a megabyte of open CDATA', `<a>${'<![CDATA['.repeat(120_000)}</a>`, 'not-xml'],
    ['two megabytes of &', `<a>${'&'.repeat(2_000_000)}</a>`, 'not-xml'],
    ['a reserved name', '<a><__proto__>1</__proto__></a>', 'not-xml'],
    ['no XML', 'Hello', 'not-xml'],
    ['two roots', '<a/><b/>', 'not-xml: root'],
    ['text behind the root', '<a/>x', 'not-xml'],
    ['tags that do not close', '<a><b></a>', 'not-xml'],
    ['an attribute twice', '<a b="1" b="2"/>', 'not-xml'],
  ] as const) {
    it(what, async () => {
      expect(await refused(body)).to.match(new RegExp(`^${reason}.*, never$`))
      // Where a field of the source stands in the body it is read before anything is stored.
      const [item] = await byId.normalize(deliver({ body, headers }), { ok: true, authlevel: 'none' })
      expect(item).to.include({ ok: false, reason: reason.split(':')[0] })
    })
  }

  it('says nothing of the body', async () => {
    const { message } = (await refusal('<a>secret</b>')) ?? {}
    expect(message).to.include('(InvalidTag)').and.not.include('secret')
    expect(JSON.stringify(normalize(byId, { body: '<a>secret</b>', headers }))).not.to.include('secret')
  })

  it('what only looks like a declaration passes', () => {
    expect(toJson('<a><![CDATA[<!DOCTYPE html><p>]]><!-- <!ENTITY --></a>')).to.deep.equal({
      a: '<!DOCTYPE html><p>',
    })
  })

  it('any garbage is JSON or refused, and in quarantine where the source reads it', async () => {
    const tags = fc.constantFrom(
      '<a>',
      '</a>',
      '<a',
      '"',
      "'",
      '&',
      ';',
      '<!',
      '<?',
      '?>',
      '-->',
      ']]>',
      '<![CDATA[',
      'x',
      '=',
      ' ',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(tags, { maxLength: 30 }), async (parts) => {
        await refusal(parts.join('') || 'x')
        expect(normalize(byId, { body: parts.join(''), headers })).to.have.length(1)
      }),
    )
  })
})
