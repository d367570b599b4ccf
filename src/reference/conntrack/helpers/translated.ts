/** What is announced in a connection whose addresses are translated: nf_nat_ftp.c, nf_nat_irc.c, nf_nat_tftp.c, nf_nat_amanda.c of 6.18. */

import * as tcp from '../../../packet/tcp.ts';
import { replaceData } from '../../nat/replace.ts';
import type { Direction } from '../connection.ts';
import type { Foreseen } from '../expectations.ts';
import { noShifts, shiftFrom } from '../sequence.ts';
import { TCP, UDP } from '../tuple.ts';
import type { Seen } from './helper.ts';

/** Where a text stands in the data of a packet. */
export interface Place {
  at: number;
  length: number;
}

/** What is told instead of what was said: by the port that is expected. */
type Telling = (port: number) => string;

/** Ports the kernel tries. */
const TRIES = 128;
const LAST_PORT = 65535;
const UDP_HEADER = 8;

/**
 * A connection is expected, to be translated like its master; `direction`: in which of the master's it goes. The packet tells its address and port as the other side sees them. `drop`: no port is free, or
 * the packet would be too long.
 */
export function expectTranslated(
  seen: Seen<unknown>,
  foreseen: Foreseen,
  direction: Direction,
  place: Place,
  tell: Telling,
): 'accept' | 'drop' {
  const follows = { direction, port: foreseen.tuple.destinationPort, end: 'destination' } as const;
  const port = expectFreePort(seen, { ...foreseen, follows });
  if (port === null) return 'drop';
  if (replace(seen, place, tell(port))) return 'accept';
  seen.unexpect();
  return 'drop';
}

/** nf_nat_exp_find_port: what is foreseen is expected at its port, or at another above it. Out: that port; null: none is free. */
export function expectFreePort(seen: Seen<unknown>, foreseen: Foreseen): number | null {
  const wanted = foreseen.tuple.destinationPort;
  for (const port of portsFrom(wanted)) {
    const answer = seen.expect({ ...foreseen, tuple: { ...foreseen.tuple, destinationPort: port } });
    if (answer === 'busy') continue;
    if (answer !== 'expected') return null;
    if (port !== wanted) seen.noteDrawn();
    return port;
  }
  return null;
}

/** The one that was announced, then others above it. Those the kernel draws: any is as good. */
function* portsFrom(wanted: number): Iterable<number> {
  yield wanted;
  const range = LAST_PORT - wanted;
  for (let i = 0; i < Math.min(range, TRIES); i++) yield wanted + (((range >> 1) + i) % range);
}

/** Other text in the data of the packet; sequence numbers follow later. False: the packet would be too long. */
export function replace({ packet, connection, direction }: Seen<unknown>, { at, length }: Place, text: string): boolean {
  const { protocol } = connection.original;
  const stream = protocol === TCP;
  const header = stream ? tcp.headerLength(packet.upper) : UDP_HEADER;
  const sequence = stream ? tcp.sequence(packet.upper) : 0;
  if (!replaceData(packet, stream ? TCP : UDP, header + at, length, text)) return false;
  if (stream && text.length !== length) {
    connection.shifts ??= noShifts();
    shiftFrom(connection.shifts[direction], sequence, text.length - length);
  }
  return true;
}
