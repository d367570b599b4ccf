/** TCP conversations in words: who says what, in order; sequence numbers, acknowledgements and retransmissions follow from it. */
import { ACK, FIN, PSH, SYN, tcp } from '../reference/build.ts';

export type Side = 'client' | 'server';

export class Conversation {
  readonly packets: Uint8Array[] = [];
  readonly #ends: Record<Side, string>;
  /** Next sequence number of each side. */
  readonly #next: Record<Side, number>;
  #last: { side: Side; data: string } | undefined;

  /** Ends are `ADDRESS PORT`. */
  constructor(client: string, server: string, start = 1000) {
    this.#ends = { client, server };
    this.#next = { client: start, server: start + 50_000 };
  }

  /** The handshake. */
  open(): this {
    this.send('client', SYN);
    this.send('server', SYN | ACK);
    return this.send('client', ACK);
  }

  /** `data` in a segment. `at`: its sequence number lies so far from the next one, which does not move then. */
  say(side: Side, data: string, at?: number): this {
    this.#last = { side, data };
    this.send(side, PSH | ACK, data, at);
    return this;
  }

  /** The last segment again. */
  again(): this {
    const { side, data } = this.#last!;
    return this.say(side, data, -data.length);
  }

  close(): this {
    this.send('client', FIN | ACK);
    this.send('server', FIN | ACK);
    return this.send('client', ACK);
  }

  /** A segment with any flags. */
  send(side: Side, flags: number, data = '', at?: number): this {
    const other = side === 'client' ? 'server' : 'client';
    const ack = flags & ACK ? this.#next[other] : 0;
    const seq = (this.#next[side] + (at ?? 0)) >>> 0;
    this.packets.push(tcp(this.#ends[side], this.#ends[other], flags, { seq, ack, data, window: 60_000 }));
    if (at === undefined) this.#next[side] = (seq + data.length + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)) >>> 0;
    return this;
  }
}

/** The first packets of a connection from one end to another, and its answer. */
export function call(from: string, to: string): Uint8Array[] {
  return [tcp(from, to, SYN, { seq: 1 }), tcp(to, from, SYN | ACK, { seq: 5, ack: 2 }), tcp(from, to, ACK, { seq: 2, ack: 6 })];
}
