/** Defragmentation of IPv4: net/ipv4/ip_fragment.c of 6.18, as net/ipv4/netfilter/nf_defrag_ipv4.c and ip_local_deliver use it. */
import type { Profile } from '../../model/profile.ts';
import { sysctl } from '../../model/profile.ts';
import { sum16 } from '../../packet/checksum.ts';
import * as ipv4 from '../../packet/ipv4.ts';
import type { Received } from '../packet.ts';
import type { DefragHook, Defragmenter, Gathered } from './defrag.ts';
import { type FragmentQueue, fragmentOf } from './queue.ts';
import { FragmentQueues } from './queues.ts';

const ECN = 3;
const DONT_FRAGMENT = 0x40;

export class Defragmenter4 implements Defragmenter {
  readonly #queues: FragmentQueues;
  /** How many fragments each sender has sent, to whomever. */
  readonly #sent = new Map<number, number>();
  readonly #maximumDistance: number;

  constructor(profile: Profile) {
    const lifetime = sysctl(profile, 'net.ipv4.ipfrag_time') * profile.hz;
    this.#queues = new FragmentQueues(4, { lifetime, memory: sysctl(profile, 'net.ipv4.ipfrag_high_thresh') });
    this.#maximumDistance = sysctl(profile, 'net.ipv4.ipfrag_max_dist');
  }

  gather(received: Received, hook: DefragHook, _device: string, now: number): Gathered {
    const { bytes } = received;
    const more = ipv4.moreFragments(bytes);
    const offset = ipv4.fragmentOffset(bytes) * 8;
    if (!more && offset === 0) return { kind: 'on', received };
    const [source, destination] = [ipv4.source(bytes)[0]!, ipv4.destination(bytes)[0]!];
    const key = [hook, ipv4.identification(bytes), source, destination, ipv4.protocol(bytes)].join(' ');
    // The kernel sends the last fragment behind the others: where they are not, a tool made it.
    if (hook === 'CUT' && !more && !this.#queues.holds(key, now)) return { kind: 'on', received };
    const found = this.#queues.find(key, now);
    if (found === null) return { kind: 'discarded', queue: null };
    // The kernel's own work was never waited for.
    const queue = hook !== 'CUT' && this.#tooFar(found, source) ? this.#restart(found, now) : found;
    const header = ipv4.headerLength(bytes);
    // Only the last fragment may have an odd end; of the others what goes beyond a multiple of eight is cut off.
    const length = received.length - header;
    const end = offset + (more ? length & ~7 : length);
    if (!queue.learnEnd(end, more) || end === offset) return this.#giveUp(queue);
    const result = this.#queues.insert(queue, fragmentOf(received, header, offset, end), ipv4.tos(bytes) & ECN);
    if (result === 'duplicate') return { kind: 'discarded', queue };
    if (result === 'overlap') return this.#giveUp(queue);
    return queue.complete ? this.#reassemble(queue, received) : { kind: 'kept', queue };
  }

  /** ip_frag_too_far: more than so many fragments of this sender came since the last one of this packet; its id may be another packet's by now. */
  #tooFar(queue: FragmentQueue, source: number): boolean {
    if (this.#maximumDistance === 0) return false;
    const position = (this.#sent.get(source) ?? 0) + 1;
    this.#sent.set(source, position);
    const distance = position - queue.position;
    queue.position = position;
    return queue.fragments.length > 0 && distance > this.#maximumDistance;
  }

  #restart(queue: FragmentQueue, now: number): FragmentQueue {
    const fresh = this.#queues.restart(queue, now);
    fresh.position = queue.position;
    return fresh;
  }

  #giveUp(queue: FragmentQueue): Gathered {
    this.#queues.remove(queue, 'discarded');
    return { kind: 'discarded', queue };
  }

  /** ip_frag_reasm: the header of the first fragment (where it came from on the link, and its mark, too), at the time of the last that came. */
  #reassemble(queue: FragmentQueue, last: Received): Gathered {
    this.#queues.remove(queue, 'complete');
    const first = queue.fragments[0]!.received;
    const header = new Uint8Array(first.bytes.subarray(0, ipv4.headerLength(first.bytes)));
    const length = header.length + queue.length;
    const congestion = queue.congestion;
    if (congestion === null || length > 0xffff) return { kind: 'discarded', queue };
    const sizes = queue.fragments.map(({ offset, end, received: { bytes } }) => ({
      size: ipv4.headerLength(bytes) + end - offset,
      whole: ipv4.dontFragment(bytes),
    }));
    const largestFragment = Math.max(...sizes.map(({ size }) => size));
    // DF stays when the largest fragment had it: the packet leaves in fragments of that size again.
    const dontFragment = sizes.some(({ size, whole }) => whole && size === largestFragment);
    header[1] = header[1]! | congestion;
    header.set([length >> 8, length & 0xff], 2);
    header.set([dontFragment ? DONT_FRAGMENT : 0, 0], 6);
    header.set([0, 0], 10);
    const sum = 0xffff - sum16(header);
    header.set([sum >> 8, sum & 0xff], 10);
    const bytes = queue.joinedTo(header);
    return { kind: 'whole', queue, received: { ...first, bytes, length, time: last.time, frame: last.frame, largestFragment } };
  }
}
