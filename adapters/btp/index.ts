export { type Bindings, capBindings } from './bindings.ts'
export { btpDestinations } from './destinations.ts'
export { xsuaaSpec } from './xsuaa.ts'
