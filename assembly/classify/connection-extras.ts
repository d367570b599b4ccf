/** connbytes (xt_connbytes.c) and connlabel (xt_connlabel.c); parameters as abi/special.ts lists them. */
import { PACKET_CT_ENTRY } from '../../src/abi/packet.ts';
import { counters, labelWord } from '../conntrack/index';

const BYTES: u32 = 1;
const AVERAGE: u32 = 2;
const BOTH: u32 = 2;

export function connectionBytes(parameters: usize, slot: usize): bool {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0) return false;
  const direction = load<u32>(parameters, 4);
  let at = counters(entry, direction === BOTH ? 0 : direction);
  if (at === 0) return false;
  let packets = load<u64>(at);
  let bytes = load<u64>(at, 8);
  if (direction === BOTH) {
    at = counters(entry, 1);
    packets += load<u64>(at);
    bytes += load<u64>(at, 8);
  }
  const what = load<u32>(parameters);
  let value = what === BYTES ? bytes : packets;
  if (what === AVERAGE) value = packets === 0 ? 0 : bytes / packets;
  const from = wide(parameters + 8);
  const to = wide(parameters + 16);
  return to >= from ? value >= from && value <= to : value < to || value > from;
}

function wide(at: usize): u64 {
  return (load<u32>(at) as u64) | ((load<u32>(at, 4) as u64) << 32);
}

export function connectionLabel(parameters: usize, slot: usize): bool {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  const inverted = load<u32>(parameters, 4) !== 0;
  const number = load<u32>(parameters);
  const at = entry === 0 ? 0 : labelWord(entry, number);
  if (at === 0) return inverted;
  const bit: u32 = 1 << (number & 31);
  if (load<u32>(parameters, 8) !== 0) store<u32>(at, load<u32>(at) | bit);
  return ((load<u32>(at) & bit) !== 0) !== inverted;
}
