/** Entry of the tests of conntrack/ alone. */
import { FIELD_PROTOCOL } from '../src/abi/fields';
import { PACKET_SIZE } from '../src/abi/packet';
import { Follow } from './conntrack/follow';
import { conntrackAhead, conntrackConfirm, conntrackForget, conntrackKeys, conntrackIn as judge } from './conntrack/index';
import { natFinish, natPending as pending } from './nat/bind';

export { ENTRY_SIZE } from './conntrack/entry';
export * from './conntrack/index';
/** The nat hooks, for the packet in the slot: whether the rules are asked; what follows them. */
export function natPending(slot: usize, source: bool): bool {
  return pending(slot, source, load<u32>(slot, FIELD_PROTOCOL * 4));
}

export function natDone(slot: usize, source: bool): bool {
  return natFinish(slot, source, load<u32>(slot, FIELD_PROTOCOL * 4), 0, false);
}

export { slide } from './conntrack/follow';
export { transition } from './conntrack/tcp-matrix';

/** First byte that the test may use. */
export function heapBase(): usize {
  return __heap_base;
}

/** As the batch loop: a look ahead, then the judgement. */
export function conntrackIn(slot: usize, prerouting: bool): bool {
  conntrackKeys(slot, slot + PACKET_SIZE);
  conntrackAhead(slot, 1);
  return judge(slot, prerouting);
}

/** For measuring: `count` packets of slots `stride` apart, in order, `rounds` times. Slots lose their entry before each look. */
export function run(slots: usize, count: u32, stride: usize, rounds: u32, jiffies: i64): void {
  for (let round: u32 = 0; round < rounds; round++) {
    let slot = slots;
    for (let packet: u32 = 0; packet < count; packet++) {
      store<u64>(slot, 0, 176);
      store<i64>(slot, jiffies, 224);
      if (conntrackIn(slot, true)) conntrackConfirm(slot);
      else conntrackForget(slot);
      slot += stride;
    }
  }
}

export function slideTogether(entry: usize, direction: u32, header: usize, data: u32): u32 {
  return Follow.slideTogether(entry, direction, header, data);
}
