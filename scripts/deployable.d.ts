export function deployable(options: { tarball: string; out: string; lock?: boolean }): void
