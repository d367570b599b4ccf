/** Amanda (net/netfilter/nf_conntrack_amanda.c): a line `CONNECT DATA port MESG port INDEX port` of an answer. */
import { FIELD_CT_DIRECTION, FIELD_L4_LENGTH } from '../../../src/abi/fields';
import { PACKET_IP, PACKET_JIFFIES, PACKET_L4_OFFSET } from '../../../src/abi/packet';
import { PROTOCOL_TCP } from '../entry';
import { expect } from '../expectations';
import { hz } from '../parameters';
import { setLife } from '../timeout';
import { foresee, foreseeSource } from './foresee';
import { TELL_PORT } from './telling';
import { isDigit } from './text';
import { expectTold, isTranslated } from './translated';

const UDP_HEADER_SIZE: usize = 8;
/** `CONNECT `, first character lowest; in halves, for editors read it as a double. */
const CONNECT: u64 = ((0x20544345 as u64) << 32) | 0x4e4e4f43;
const LINE_FEED: u32 = 10;
const DIGITS: u32 = 5;
const MOST: u32 = 4;
const SECONDS: u32 = 180;
/** The connection's own. */
const MASTER_SECONDS: u32 = 300;

/** Words and their lengths, in the order in which they are looked for: the first four characters, the others, all first lowest. */
const STREAMS: usize = memory.data<u32>([0x41544144, 0x20, 5, 0x4753454d, 0x20, 5, 0x45444e49, 0x2058, 6, 0x54415453, 0x2045, 6]);

/** False: the packet is dropped. */
export function amandaHelp(slot: usize, entry: usize): bool {
  if (load<u32>(slot, FIELD_CT_DIRECTION * 4) === 0) return true;
  const now = load<i64>(slot, PACKET_JIFFIES);
  // nf_ct_refresh: it lives on, the packet does not count once more.
  setLife(entry, MASTER_SECONDS * hz(), now);
  const header = transportOf(slot);
  const end = header + (load<u32>(slot, FIELD_L4_LENGTH * 4) as usize);
  let at = header + UDP_HEADER_SIZE;
  while (at + 8 <= end && load<u64>(at) !== CONNECT) at++;
  if (at + 8 > end) return true;
  at += 8;
  let stop = at;
  while (stop < end && (load<u8>(stop) as u32) !== LINE_FEED) stop++;
  if (stop >= end) return true;
  let goesOn = true;
  for (let stream: usize = 0; stream < 4; stream++) {
    const word = STREAMS + stream * 12;
    // What was told instead moved the packet, and what follows; the end that was found stays.
    const moved = transportOf(slot) - header;
    const place = behindWord(word, at + moved, stop + moved);
    if (place === 0) continue;
    const port = portAt(place, stop + moved);
    if (port === 0) break;
    foresee(entry, PROTOCOL_TCP, 0, port);
    foreseeSource(entry, 0);
    if (isTranslated(entry)) goesOn = expectTold(slot, entry, MOST, SECONDS, 0, place, portLength, TELL_PORT);
    else if (!expect(entry, MOST, SECONDS, now)) goesOn = false;
  }
  return goesOn;
}

function transportOf(slot: usize): usize {
  return (load<u32>(slot, PACKET_IP) + load<u32>(slot, PACKET_L4_OFFSET)) as usize;
}

/** The place behind the first such word; 0: there is none. */
function behindWord(word: usize, from: usize, stop: usize): usize {
  const length = load<u32>(word, 8) as usize;
  for (let at = from; at + length <= stop; at++) {
    if (load<u32>(at) !== load<u32>(word)) continue;
    const rest = load<u8>(at, 4) as u32;
    const whole = length === 5 ? rest : rest | ((load<u8>(at, 5) as u32) << 8);
    if (whole === load<u32>(word, 4)) return at + length;
  }
  return 0;
}

/** How many digits the port has that was read last. */
let portLength: u32 = 0;

/** Five digits at most, 16 bits. */
function portAt(from: usize, stop: usize): u32 {
  let port: u32 = 0;
  portLength = 0;
  for (let at = from; at < stop && portLength < DIGITS; at++) {
    const byte = load<u8>(at) as u32;
    if (!isDigit(byte)) break;
    port = port * 10 + (byte - 48);
    portLength++;
  }
  return port & 0xffff;
}
