/** From records to packets that are decoded and routed. */
import { PACKET_DATA, PACKET_SHIFT, PACKET_SIZE } from '../src/abi/packet.ts';
import { deferFragment } from './hooks.ts';
import { decodeIp, decodeLink, decodePlain } from './packet/index.ts';
import { routePacket, routePlain } from './stack/index.ts';

/** The slots from `slot` to before `end`, which were read: plain packets in runs, the others one by one. */
export function decodeSlots(slot: usize, end: usize): void {
  while (slot < end) {
    const stop = decodePlain(slot, end);
    routePlain(slot, stop);
    slot = stop;
    if (slot === end) break;
    decodeLink(slot);
    decodeIp(slot);
    routePacket(slot);
    deferFragment(slot);
    slot += PACKET_SIZE;
  }
}

/** A slot that was marked (marking.ts), and is not to be judged by its bytes. */
export function decodeMarked(slot: usize): void {
  store<u32>(slot, load<u32>(slot, PACKET_DATA) - load<u32>(slot, PACKET_SHIFT), PACKET_DATA);
  store<u32>(slot, 0, PACKET_SHIFT);
  decodeSlots(slot, slot + PACKET_SIZE);
}
