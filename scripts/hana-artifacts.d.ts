export function hanaArtifacts(out: string): Promise<void>
