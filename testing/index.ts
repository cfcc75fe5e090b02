export * from './erp-sandbox/index.ts'
export * from './event-mesh/index.ts'
export { type VirtualClock, virtualClock } from './virtual-clock.ts'
