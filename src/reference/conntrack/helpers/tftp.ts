/** TFTP (RFC 1350): net/netfilter/nf_conntrack_tftp.c of 6.18. A server answers a request from a port of its own choice. */
import { u16 } from '../../../packet/bytes.ts';
import * as udp from '../../../packet/udp.ts';
import { ORIGINAL, REPLY } from '../connection.ts';
import { UDP } from '../tuple.ts';
import { expecting, type Helper, thisSource, tupleIn } from './helper.ts';

const READ_REQUEST = 1;
const WRITE_REQUEST = 2;

export const tftp: Helper<null> = {
  name: 'tftp',
  policy: { most: 1, seconds: 300 },
  remember: () => null,

  /** Whoever sends it: what looks like a request is one. */
  help(seen) {
    const { upper } = seen.packet;
    if (upper.length < udp.HEADER_LENGTH + 2) return 'accept';
    const operation = u16(upper, udp.HEADER_LENGTH);
    if (operation !== READ_REQUEST && operation !== WRITE_REQUEST) return 'accept';
    const { source, destination, destinationPort } = tupleIn(seen, REPLY);
    const follows = { direction: REPLY, port: tupleIn(seen, ORIGINAL).sourcePort, end: 'destination' } as const;
    const tuple = { protocol: UDP, source, sourcePort: 0, destination, destinationPort };
    return expecting(seen, { tuple, mask: thisSource(source), ...(seen.translated && { follows }) });
  },
};
