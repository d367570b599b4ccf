/** SANE, scanners over the network: net/netfilter/nf_conntrack_sane.c of 6.18. The answer to NET_START names the port where the image will be. */
import { u16, u32 } from '../../../packet/bytes.ts';
import { ORIGINAL } from '../connection.ts';
import { TCP } from '../tuple.ts';
import { expecting, type Helper, tcpData, thisSource, tupleIn } from './helper.ts';

const NET_START = 7;
/** A request: operation and handle. */
const REQUEST_LENGTH = 8;
/** An answer: status, port in a word of 32 bits. */
const ANSWER_LENGTH = 8;

export const sane: Helper<{ started: boolean }> = {
  name: 'sane',
  policy: { most: 1, seconds: 300 },
  remember: () => ({ started: false }),

  help(seen) {
    const { packet, direction, state, memory } = seen;
    if (state !== 'ESTABLISHED') return 'accept';
    const data = tcpData(packet);
    if (data === null) return 'accept';
    if (direction === ORIGINAL) {
      if (data.length === REQUEST_LENGTH && data.bytes.length >= 4) memory.started = u32(data.bytes, 0) === NET_START;
      return 'accept';
    }
    if (!memory.started) return 'accept';
    memory.started = false;
    const { bytes } = data;
    if (bytes.length < ANSWER_LENGTH || u32(bytes, 0) !== 0 || u16(bytes, 4) !== 0) return 'accept';
    const { source, destination } = tupleIn(seen, ORIGINAL);
    const tuple = { protocol: TCP, source, sourcePort: 0, destination, destinationPort: u16(bytes, 6) };
    return expecting(seen, { tuple, mask: thisSource(source) });
  },
};
