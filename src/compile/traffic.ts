/** A sample of the packets that are to be judged: trees are cut so that most of them have a short way. What becomes of a packet never depends on it. */
import { FIELD_COUNT, FIELD_DESTINATION, FIELD_FAMILY, FIELD_SOURCE } from '../abi/fields.ts';
import type { Host } from '../model/host.ts';
import type { Family } from '../model/ruleset.ts';
import type { Box } from './box.ts';

export interface Traffic {
  /** FIELD_COUNT words a packet (abi/fields.ts). */
  words: Uint32Array;
  /** Bits of the fields that the words tell; what the others hold is only known while packets are judged (states of connections, marks, devices). */
  known: number;
}

/** How many packets a sample has. */
export const packetsOf = ({ words }: Traffic): number => Math.floor(words.length / FIELD_COUNT);

/** What is expected of a cut weighs as much as so many packets: nothing has no weight, and where few were seen they say little. */
const EXPECTED = 16;

/** The share of packets of a part that is expected to have a share `expected`, when `seen` of `all` lie there. */
export const shareOf = (expected: number, seen: number, all: number): number =>
  all === 0 ? expected : (seen + EXPECTED * expected) / (all + EXPECTED);

/** Some packets of a sample. */
export class Sample {
  private readonly traffic: Traffic;
  /** Where the words of each begin. */
  private readonly starts: Int32Array;

  private constructor(traffic: Traffic, starts: Int32Array) {
    this.traffic = traffic;
    this.starts = starts;
  }

  static of(traffic: Traffic): Sample {
    return new Sample(
      traffic,
      Int32Array.from({ length: packetsOf(traffic) }, (_, packet) => packet * FIELD_COUNT),
    );
  }

  get packets(): number {
    return this.starts.length;
  }

  tells(field: number): boolean {
    return ((this.traffic.known >>> field) & 1) !== 0;
  }

  /** The field of every packet. */
  values(field: number): Uint32Array {
    const { words } = this.traffic;
    return Uint32Array.from(this.starts, (start) => words[start + field]!);
  }

  /** Packets whose field may lie in a part of a cut: all where the sample does not tell. */
  within(field: number, part: Box): Sample {
    if (!this.tells(field)) return this;
    const { words } = this.traffic;
    const bits = part.bits.get(field);
    const low = part.low[field]!;
    const high = part.high[field]!;
    return this.where((start) => {
      const value = words[start + field]!;
      return bits === undefined ? value >= low && value <= high : ((bits[value >>> 5]! >>> (value & 31)) & 1) !== 0;
    });
  }

  /** Packets of a family that come to a hook of a host, as far as their addresses say. */
  at(family: Family, hook: string, { forward, interfaces }: Pick<Host, 'forward' | 'interfaces'>): Sample {
    const own = new Set(interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => keyOf(address))));
    const { words } = this.traffic;
    const isOwn = (at: number): boolean => !forward && own.has(keyOf(words.subarray(at, at + 4)));
    return this.where((start) => {
      if (words[start + FIELD_FAMILY] !== family) return false;
      const sent = isOwn(start + FIELD_SOURCE);
      const received = isOwn(start + FIELD_DESTINATION);
      if (hook === 'INPUT') return received;
      if (hook === 'OUTPUT') return sent;
      if (hook === 'FORWARD') return !sent && !received;
      return hook === 'PREROUTING' ? !sent || received : sent || !received;
    });
  }

  /** These packets and others, each once. */
  with(other: Sample): Sample {
    return new Sample(this.traffic, Int32Array.from(new Set([...this.starts, ...other.starts])));
  }

  private where(takes: (start: number) => boolean): Sample {
    return new Sample(this.traffic, this.starts.filter(takes));
  }
}

/** Of an address of one word, or of four of which an IPv4 address leaves the others 0. */
const keyOf = (address: readonly number[] | Uint32Array): string => [0, 1, 2, 3].map((word) => address[word] ?? 0).join('.');
