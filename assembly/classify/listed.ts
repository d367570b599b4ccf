/** Tests whose answer was told for each packet: what no capture holds (model/annotations.ts). */
import { FIELD_OUT_INTERFACE } from '../../src/abi/fields.ts';
import { PACKET_NUMBER } from '../../src/abi/packet.ts';
import { copying } from '../broadcast.ts';

/** Parameters: the answer for all packets, how many have the other one, their numbers in order. A packet's copy is another packet, of which nothing is told. */
export function listed(parameters: usize, slot: usize): bool {
  const usual = load<u32>(parameters) !== 0;
  const number = load<u64>(slot, PACKET_NUMBER);
  const count = load<u32>(parameters, 4);
  const list = parameters + 8;
  if (copying || count === 0 || number > u64(u32.MAX_VALUE)) return usual;
  let low: u32 = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<u32>(list + (middle << 2)) < u32(number)) low = middle + 1;
    else high = middle;
  }
  return (load<u32>(list + (low << 2)) === u32(number)) !== usual;
}

/** Two lists: the second is for hooks where the packet has an out-device. */
export function listedByWay(parameters: usize, slot: usize): bool {
  const leaves = load<u32>(slot, FIELD_OUT_INTERFACE * 4) !== 0;
  return listed(leaves ? parameters + 8 + ((load<u32>(parameters, 4) as usize) << 2) : parameters, slot);
}
