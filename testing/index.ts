export * from './erp-sandbox/index.ts'
export * from './event-mesh/index.ts'
export type { SimulatedDispatch } from './simulate/dispatches.ts'
export { type FakeTarget, type FakeTargetOptions, type FakeWrite, fakeTarget } from './simulate/fake-target.ts'
export {
  type SentCloudEvent,
  type SignedGithub,
  type SignedHmac,
  type SignedShopify,
  type SignedStandardWebhooks,
  type SignedStripe,
  type Signer,
  type SimulatedDelivery,
  signed,
} from './simulate/signed.ts'
export {
  type LogLine,
  type SimulatedReply,
  type Simulation,
  type SimulationOptions,
  simulate,
} from './simulate/simulate.ts'
export { type SimulatedEvent, simulatedSource } from './simulate/simulated-source.ts'
export { type VirtualClock, virtualClock } from './virtual-clock.ts'
