/** Defragmentation of IPv6 for conntrack: net/ipv6/netfilter/nf_conntrack_reasm.c and nf_defrag_ipv6_hooks.c of 6.18. */
import type { Profile } from '../../model/profile.ts';
import { sysctl } from '../../model/profile.ts';
import { u8, u16, u32 } from '../../packet/bytes.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import type { Received } from '../packet.ts';
import type { DefragHook, Defragmenter, Gathered } from './defrag.ts';
import { type FragmentQueue, fragmentOf } from './queue.ts';
import { FragmentQueues } from './queues.ts';

const ECN = 3;
const FRAGMENT_HEADER = 8;
const MAXIMUM_PAYLOAD = 0xffff;

const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
/** What must be there of the upper header. */
const UPPER_HEADERS: Readonly<Record<number, number>> = { [TCP]: 20, [UDP]: 8, [ICMPV6]: 8 };

export class Defragmenter6 implements Defragmenter {
  readonly #queues: FragmentQueues;

  constructor(profile: Profile) {
    const lifetime = sysctl(profile, 'nf_conntrack_frag6_timeout') * profile.hz;
    this.#queues = new FragmentQueues(6, { lifetime, memory: sysctl(profile, 'nf_conntrack_frag6_high_thresh') });
  }

  gather(received: Received, hook: DefragHook, device: string, now: number): Gathered {
    const { bytes } = received;
    const header = ipv6.payloadLength(bytes) === 0 ? null : ipv6.findFragmentHeader(bytes);
    if (header === null || cutShort(received, header.at)) return { kind: 'on', received };
    const { at } = header;
    if (bytes.length < at + FRAGMENT_HEADER) return { kind: 'discarded', queue: null };
    const more = (u8(bytes, at + 3) & 1) !== 0;
    const key = keyOf(bytes, at, hook, device);
    // The kernel sends the last fragment behind the others: where they are not, a tool made it.
    if (hook === 'CUT' && !more && !this.#queues.holds(key, now)) return { kind: 'on', received };
    const queue = this.#queues.find(key, now);
    if (queue === null) return { kind: 'discarded', queue };
    const offset = u16(bytes, at + 2) & 0xfff8;
    const start = at + FRAGMENT_HEADER;
    const end = offset + ipv6.payloadLength(bytes) + ipv6.HEADER_LENGTH - start;
    if (end > MAXIMUM_PAYLOAD) return { kind: 'discarded', queue };
    if (more && end % 8 !== 0) {
      // The one fault that lets the fragment go on by itself.
      this.#queues.remove(queue, 'discarded');
      return { kind: 'on', received };
    }
    // Unlike IPv4's, the queue outlives fragments that are at odds with its length, or are empty.
    if (!queue.learnEnd(end, more) || end === offset) return { kind: 'discarded', queue };
    const result = this.#queues.insert(queue, fragmentOf(received, start, offset, end), ipv6.trafficClass(bytes) & ECN);
    if (result === 'overlap') this.#queues.remove(queue, 'discarded');
    if (result !== 'inserted') return { kind: 'discarded', queue };
    return queue.complete ? this.#reassemble(queue, received) : { kind: 'kept', queue };
  }

  /** nf_ct_frag6_reasm: the headers before the fragment header are those of the first fragment. */
  #reassemble(queue: FragmentQueue, last: Received): Gathered {
    this.#queues.remove(queue, 'complete');
    const first = queue.fragments[0]!.received;
    const { at, namedAt } = ipv6.findFragmentHeader(first.bytes)!;
    const payload = at - ipv6.HEADER_LENGTH + queue.length;
    const congestion = queue.congestion;
    if (congestion === null || payload > MAXIMUM_PAYLOAD) return { kind: 'discarded', queue };
    const headers = new Uint8Array(first.bytes.subarray(0, at));
    // The kernel keeps this place in one byte: behind 255 bytes of headers it names the next header in the wrong one.
    headers[namedAt & 0xff] = first.bytes[at]!;
    headers[1] = headers[1]! | (congestion << 4);
    headers.set([payload >> 8, payload & 0xff], 4);
    const bytes = queue.joinedTo(headers);
    const length = ipv6.HEADER_LENGTH + payload;
    const payloads = queue.fragments.map(({ received }) => ipv6.payloadLength(received.bytes));
    const largestFragment = ipv6.HEADER_LENGTH + Math.max(...payloads);
    return { kind: 'whole', queue, received: { ...first, bytes, length, time: last.time, frame: last.frame, largestFragment } };
  }
}

/** The device counts only where the destination means another host behind every device. */
function keyOf(bytes: Uint8Array, fragmentHeader: number, hook: DefragHook, device: string): string {
  const destination = ipv6.destination(bytes);
  const scope = ipv6.isMulticast(destination) || ipv6.isLinkLocal(destination) ? device : '';
  return [hook, scope, u32(bytes, fragmentHeader + 4), ...ipv6.source(bytes), ...destination].join(' ');
}

/** A first fragment must hold all headers (RFC 8200 4.5); one that does not is left as it is (ipv6frag_thdr_truncated). */
function cutShort({ bytes, length }: Received, fragmentHeader: number): boolean {
  const upper = ipv6.skipExtensionsFrom(bytes, ipv6.FRAGMENT, fragmentHeader);
  if (upper === 'unparsable' || upper.fragmentOffset !== 0) return false;
  return upper.offset + (UPPER_HEADERS[upper.protocol] ?? 1) > length;
}
