import { SluiceError } from '#domain/errors'

/** A bound service's credentials, as its broker wrote them. */
export type ServiceCredentials = Readonly<Record<string, unknown>>

type BoundService = 'destinations' | 'connectivity' | 'xsuaa'

export interface Bindings {
  /** @throws SluiceError `configuration` where the service is not bound, with how to bind it */
  of(service: BoundService): ServiceCredentials
}

/** `cds.env.requires`: CAP fills it from VCAP_SERVICES, SERVICE_BINDING_ROOT and profiles, and so do `cds bind` and tests. */
type Requires = Readonly<Record<string, { readonly credentials?: ServiceCredentials } | undefined>>

/** Where CAP keeps a service's credentials, and the element that tells they are that service's. */
const PLACES: Readonly<Record<BoundService, { readonly names: readonly string[]; readonly element: string }>> = {
  destinations: { names: ['destinations'], element: 'uri' },
  connectivity: { names: ['connectivity'], element: 'onpremise_proxy_host' },
  xsuaa: { names: ['xsuaa', 'auth'], element: 'xsappname' },
}

/** Read when asked, because CAP completes its environment while it starts. */
export function capBindings(requires: () => Requires): Bindings {
  return {
    of(service) {
      const { names, element } = PLACES[service]
      for (const name of names) {
        const credentials = requires()[name]?.credentials
        if (credentials && typeof credentials[element] === 'string') return credentials
      }
      const [name] = names
      throw new SluiceError('configuration', `No ${service} service is bound.`, {
        retry: 'never',
        remedy: `Bind it, and write "${name}": true under cds.requires, so that CAP looks for the binding.`,
      })
    },
  }
}

/** A text of the credentials. @throws SluiceError `configuration` */
export function textOf(credentials: ServiceCredentials, ...names: readonly string[]): string {
  for (const name of names) {
    const value = credentials[name]
    if (typeof value === 'string' && value !== '') return value
    if (typeof value === 'number') return String(value)
  }
  throw new SluiceError('configuration', `A bound service's credentials have no "${names.join('" or "')}".`, {
    retry: 'never',
    remedy: 'Bind the service again, with a plan that gives them.',
  })
}
