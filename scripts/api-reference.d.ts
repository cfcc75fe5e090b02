export function apiReference(): string
