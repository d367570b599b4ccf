/**
 * Who answers a broadcast of this host (net/netfilter/nf_conntrack_broadcast.c of 6.18): whoever it reached, from the port of the service. NetBIOS's name service says no more of itself
 * (nf_conntrack_netbios_ns.c). The connection that asks lives as long as they may answer, from each such broadcast on, even if its tracker gave it longer.
 */
import { ORIGINAL, REPLY } from '../connection.ts';
import { type Helper, tupleIn } from './helper.ts';

export function broadcastHelper(name: string, port: number, seconds: number): Helper<null> {
  return {
    name,
    policy: { most: 1, seconds },
    remember: () => null,

    help(seen) {
      const mask = seen.broadcastMask;
      if (mask === null || seen.direction !== ORIGINAL) return 'accept';
      const tuple = { ...tupleIn(seen, REPLY), sourcePort: port };
      seen.expect({ tuple, mask: { source: [mask], sourcePort: 0xffff }, permanent: true });
      seen.connection.refresh(seconds * seen.packet.hz, seen.packet.now);
      return 'accept';
    },
  };
}

export const netbiosNs = broadcastHelper('netbios-ns', 137, 3);
