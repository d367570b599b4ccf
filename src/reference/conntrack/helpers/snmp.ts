/**
 * SNMP: who answers a broadcast (net/netfilter/nf_conntrack_snmp.c of 6.18), and addresses in the messages of translated connections (net/ipv4/netfilter/nf_nat_snmp_basic_main.c): the address that is hidden
 * is told as the other side sees it, in what the agent says. A message that cannot be read is dropped.
 */
import { u16, u32 } from '../../../packet/bytes.ts';
import { halves, putWords, updateChecksumAt } from '../../../packet/rewrite.ts';
import * as udp from '../../../packet/udp.ts';
import { ORIGINAL, REPLY } from '../connection.ts';
import { broadcastHelper } from './broadcast.ts';
import { type Helper, type Seen, tupleIn } from './helper.ts';
import { addressesIn } from './snmp-message.ts';

const AGENT_PORT = 161;
const TRAP_PORT = 162;
const LENGTH = 4;
const CHECKSUM = 6;

const asking = broadcastHelper('snmp', AGENT_PORT, 30);

export const snmp: Helper<null> = {
  ...asking,
  help(seen) {
    asking.help(seen);
    return translateAddresses(seen);
  },
};

export const snmpTrap: Helper<null> = {
  name: 'snmp_trap',
  policy: { most: 0, seconds: 180 },
  remember: () => null,
  help: translateAddresses,
};

function translateAddresses(seen: Seen<null>): 'accept' | 'drop' {
  const { packet, direction, translated } = seen;
  const { upper } = packet;
  if (!translated) return 'accept';
  if (udp.sourcePort(upper) === AGENT_PORT && direction !== REPLY) return 'accept';
  if (udp.destinationPort(upper) === TRAP_PORT && direction !== ORIGINAL) return 'accept';
  const length = packet.length - packet.upperOffset;
  if (u16(upper, LENGTH) !== length) return 'drop';
  const [from] = tupleIn(seen, ORIGINAL).source;
  const [to] = tupleIn(seen, REPLY).destination;
  // What the capture cut off nobody can read.
  if (from === to || upper.length < length) return 'accept';
  const places = addressesIn(upper.subarray(udp.HEADER_LENGTH));
  if (places === null) return 'drop';
  const bytes = new Uint8Array(packet.bytes);
  const changed = bytes.subarray(packet.upperOffset);
  for (const place of places) {
    const at = udp.HEADER_LENGTH + place;
    if (u32(changed, at) !== from) continue;
    if (u16(changed, CHECKSUM) !== 0) updateChecksumAt(changed, CHECKSUM, wordsOf(from, place), wordsOf(to!, place));
    putWords(changed, at, [to!]);
  }
  packet.rewrite(bytes);
  return 'accept';
}

/** An address as the checksum sums it up at an even or odd place. */
const wordsOf = (address: number, place: number): number[] =>
  place % 2 === 0 ? halves([address]) : halves([address >>> 8, (address << 24) >>> 0]);
