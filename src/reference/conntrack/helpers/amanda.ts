/** Amanda, backups: net/netfilter/nf_conntrack_amanda.c of 6.18. The answer of the machine that is backed up lists ports in a line that begins with CONNECT. */
import * as udp from '../../../packet/udp.ts';
import type { Packet } from '../../packet.ts';
import { ORIGINAL } from '../connection.ts';
import { TCP } from '../tuple.ts';
import { expecting, type Helper, thisSource, tupleIn } from './helper.ts';
import { expectTranslated } from './translated.ts';

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
    const text = textOf(packet);
    const connect = text.indexOf(CONNECT);
    if (connect < 0) return 'accept';
    const start = connect + CONNECT.length;
    const end = text.indexOf('\n', start);
    if (end < 0) return 'accept';
    const { source, destination } = tupleIn(seen, ORIGINAL);
    let verdict: 'accept' | 'drop' = 'accept';
    for (const stream of STREAMS) {
      // What was said instead moves what follows, but not the end that was found.
      const line = textOf(packet).slice(0, end);
      const found = line.indexOf(stream, start);
      if (found < 0) continue;
      const at = found + stream.length;
      const [digits = ''] = /^\d*/.exec(line.slice(at, at + 5)) ?? [];
      const destinationPort = Number(digits) & 0xffff;
      if (destinationPort === 0) break;
      const tuple = { protocol: TCP, source, sourcePort: 0, destination, destinationPort };
      const foreseen = { tuple, mask: thisSource(source) };
      if (seen.translated) verdict = expectTranslated(seen, foreseen, ORIGINAL, { at, length: digits.length }, String);
      else if (expecting(seen, foreseen) === 'drop') verdict = 'drop';
    }
    return verdict;
  },
};

const textOf = ({ upper }: Packet): string => String.fromCharCode(...upper.subarray(udp.HEADER_LENGTH));
