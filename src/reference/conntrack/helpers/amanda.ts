/** Amanda, backups: net/netfilter/nf_conntrack_amanda.c of 6.18. The answer of the machine that is backed up lists ports in a line that begins with CONNECT. */
import * as udp from '../../../packet/udp.ts';
import { ORIGINAL } from '../connection.ts';
import { TCP } from '../tuple.ts';
import { type Helper, thisSource, tupleIn } from './helper.ts';

const STREAMS: readonly string[] = ['DATA ', 'MESG ', 'INDEX ', 'STATE '];
const CONNECT = 'CONNECT ';
/** Answers can be late: the connection lives at least so long, seconds. */
const MASTER_TIMEOUT = 300;

export const amanda: Helper<null> = {
  name: 'amanda',
  policy: { most: 4, seconds: 180 },
  remember: () => null,

  help(seen) {
    const { packet, connection, direction } = seen;
    if (direction === ORIGINAL) return 'accept';
    connection.refresh(MASTER_TIMEOUT * packet.hz, packet.now);
    const text = String.fromCharCode(...packet.upper.subarray(udp.HEADER_LENGTH));
    const connect = text.indexOf(CONNECT);
    if (connect < 0) return 'accept';
    const start = connect + CONNECT.length;
    const end = text.indexOf('\n', start);
    if (end < 0) return 'accept';
    const line = text.slice(start, end);
    const { source, destination } = tupleIn(seen, ORIGINAL);
    let verdict: 'accept' | 'drop' = 'accept';
    for (const stream of STREAMS) {
      const at = line.indexOf(stream);
      if (at < 0) continue;
      const [digits = ''] = /^\d*/.exec(line.slice(at + stream.length, at + stream.length + 5)) ?? [];
      const destinationPort = Number(digits) & 0xffff;
      if (destinationPort === 0) break;
      const tuple = { protocol: TCP, source, sourcePort: 0, destination, destinationPort };
      if (!seen.expect({ tuple, mask: thisSource(source) })) verdict = 'drop';
    }
    return verdict;
  },
};
