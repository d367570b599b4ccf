/** TCP conversations through a translator: each side has its own view of both ends and of the other's sequence numbers. */
import { ACK, PSH, SYN, tcp } from '../reference/build.ts';
import type { Side } from './conversation.ts';

/** The ends as one side knows them, `ADDRESS PORT`. */
export interface View {
  own: string;
  other: string;
}

export class ThroughNat {
  readonly packets: Uint8Array[] = [];
  readonly #views: Record<Side, View>;
  /** Next sequence number of each side, and what the other one thinks it is. */
  readonly #next: Record<Side, number> = { client: 1000, server: 50_000 };
  readonly #seen: Record<Side, number> = { client: 1000, server: 50_000 };

  constructor(client: View, server: View) {
    this.#views = { client, server };
  }

  open(options: readonly number[] = []): this {
    this.send('client', SYN, '', 0, options);
    this.send('server', SYN | ACK, '', 0, options);
    return this.send('client', ACK);
  }

  /** `grown`: how much longer it arrives. */
  say(side: Side, data: string, grown = 0): this {
    return this.send(side, PSH | ACK, data, grown);
  }

  /** Packets of the other side's making, `back` bytes behind its newest number, acknowledging `short` less than all. */
  send(side: Side, flags: number, data = '', grown = 0, options: readonly number[] = [], { back = 0, short = 0 } = {}): this {
    const other = side === 'client' ? 'server' : 'client';
    const { own, other: peer } = this.#views[side];
    const ack = flags & ACK ? (this.#seen[other] - short) >>> 0 : 0;
    const seq = (this.#next[side] - back) >>> 0;
    this.packets.push(tcp(own, peer, flags, { seq, ack, data, window: 60_000, tcpOptions: options }));
    if (back > 0) return this;
    const length = data.length + (flags & SYN ? 1 : 0);
    this.#next[side] += length;
    this.#seen[side] += length + grown;
    return this;
  }

  /** A selective acknowledgement by `side`: of what the other sent, from and to so far behind its newest number as `side` sees it. */
  selective(side: Side, from: number, to: number): this {
    const newest = this.#seen[side === 'client' ? 'server' : 'client'];
    const word = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
    return this.send(side, ACK, '', 0, [1, 1, 5, 10, ...word(newest - from), ...word(newest - to)], { short: from + 5 });
  }
}

/** The first packets of a connection, by both views of it. */
export function callThrough(caller: View, called: View): Uint8Array[] {
  return new ThroughNat(caller, called).open().packets;
}
