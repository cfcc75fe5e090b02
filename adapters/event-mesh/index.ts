export {
  connectionOf,
  connectionOfService,
  type MeshAddress,
  type MeshConnection,
  type MeshDialect,
  type MeshService,
} from './connection.ts'
export type { MeshManager } from './manager.ts'
export { eventMeshTarget, type PublishTargetOptions } from './publish-target.ts'
export { meshPull } from './pull.ts'
export { type ManagedMesh, manageMesh, type SubscribeOptions } from './subscribe.ts'
export type { WebhookAuth } from './webhook-auth.ts'
