/** Why a signature fails: the closed list, with what to do about each. */
const REMEDIES = {
  'header-missing': 'Is it this provider, and does a proxy before the gateway pass on all headers?',
  'header-wrong': 'Set the header in the configuration to the one that holds the signature.',
  'header-duplicated': 'A proxy adds it again, or somebody tries a forgery: the gateway takes neither.',
  'kind-wrong': 'Configure the source with that kind, or deliver to the source that has it.',
  'signature-malformed': 'Compare prefix and encoding with what the provider documents.',
  'signature-encoding': 'Set "encoding" of the source as the sender writes it.',
  'signature-prefix': 'Set "prefix" of the source as the sender writes it.',
  'signature-truncated': 'Something cuts the header: look at proxies, log copies and column widths.',
  'secret-encoding': 'Configure the secret in the form the provider signs with (secretEncoding).',
  'secret-prefix': 'Copy the secret exactly as the provider shows it, with its prefix if it has one.',
  'secret-white-space': 'Set the variable again, without the white space; often it is a line break.',
  'secret-quoted': 'Take the quotation marks off the variable: some .env readers keep them.',
  'secret-other': 'The secrets of two sources are swapped.',
  'secret-invalid': 'Copy the secret again from the provider.',
  'body-rewritten': 'Verify the raw bytes: mount Sluice before express.json() and every other body parser.',
  'body-line-end': 'Save and forward the body byte for byte; an editor or a shell changed its end.',
  'body-white-space': 'Save and forward the body byte for byte.',
  'body-line-breaks': 'Save and forward the body byte for byte; git and editors change line breaks.',
  'body-mark': 'Save the body without a byte order mark, or with the one it had.',
  'body-charset': 'Forward the body as bytes; something between decodes it as text.',
  'body-form': 'Verify the body as it was sent, still form-encoded.',
  'body-empty': 'The sender signs an empty body: ask the provider.',
  'body-length': 'The recording is not the whole body, or not the one that was sent.',
  algorithm: 'Set "algorithm" of the source as the provider documents it.',
  template: 'Set "template" of the source to what the provider signs.',
  url: 'Set publicUrl to the address the provider has on file.',
  'timestamp-missing': 'Does a proxy drop the header of the timestamp?',
  'timestamp-malformed': 'Set "timestamp.unit" of the source as the provider documents it.',
  'timestamp-unit': 'Set "timestamp.unit" of the source as the sender writes it.',
  'timestamp-out-of-tolerance':
    'Set the clock by NTP, or see what holds deliveries back. Of an old request, give --at.',
  unknown: 'Most likely it is another secret (of a test account, or before a rotation), or the content was changed.',
} as const

type CauseCode = keyof typeof REMEDIES

/** One thing that differs between what was signed and what is verified. */
export interface Change {
  readonly code: CauseCode
  /** For people. Never holds the secret, nor a signature. */
  readonly detail: string
}

export interface Cause extends Change {
  readonly remedy: string
}

export const cause = ({ code, detail }: Change): Cause => ({ code, detail, remedy: REMEDIES[code] })
