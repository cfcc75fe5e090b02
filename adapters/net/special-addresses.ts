import { BlockList, isIP } from 'node:net'

/** What no sender may make us call: IANA's special-purpose ranges and everything that embeds an IPv4 address. */
const IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, cloud metadata services
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const
const IPV6 = [
  ['::', 96], // unspecified, loopback, IPv4-compatible
  ['64:ff9b::', 96], // NAT64
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23], // Teredo and other protocol assignments
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4
  ['3fff::', 20],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const

const special = new BlockList()
for (const [net, prefix] of IPV4) special.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of IPV6) special.addSubnet(net, prefix, 'ipv6')

/**
 * Whether an address is anything but a public unicast one. IPv4-mapped IPv6 (`::ffff:127.0.0.1`) is judged as the IPv4
 * address it stands for. https://www.iana.org/assignments/iana-ipv4-special-registry
 */
export function isSpecialAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 0) return true
  return special.check(address, family === 4 ? 'ipv4' : 'ipv6')
}
