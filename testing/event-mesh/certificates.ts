import { type Identity, makeIdentity } from './x509.ts'

/** A certificate with its key, in PEM. */
export interface Certificate {
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS #8. */
  readonly key: string
}

/** A certificate authority of the simulator's own. */
export interface Authority extends Certificate {
  /** A certificate for a server's names and addresses, or for a client's name. */
  issue(commonName: string, names?: readonly string[]): Certificate
}

/** A certificate authority for one test run: keys that nobody else has, and none in the repository. */
export const authority = (commonName: string): Authority => {
  const own = makeIdentity({ name: [['CN', commonName]], isAuthority: true })
  return {
    ...inPem(own),
    issue: (subject, names = [subject]) => inPem(makeIdentity({ name: [['CN', subject]], signedBy: own, names })),
  }
}

const inPem = ({ pem: { cert, key } }: Identity): Certificate => ({ certificate: cert, key })
