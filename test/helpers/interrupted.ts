/** A TCP connection whose segments stand among the packets of others, in the order in which they are said. */
import { RST } from '../reference/build.ts';
import type { Side } from './conversation.ts';

/** What talks: Conversation, or ThroughNat. */
interface Talk {
  packets: Uint8Array[];
  open(): unknown;
  say(side: Side, said: string): unknown;
  send(side: Side, flags: number): unknown;
}

export class Interrupted<T extends Talk> {
  protected readonly talk: T;
  /** Of all that talk, as IP bytes. */
  readonly packets: Uint8Array[];

  constructor(talk: T, packets: Uint8Array[]) {
    this.talk = talk;
    this.packets = packets;
    talk.open();
    this.take();
  }

  say(side: Side, said: string): this {
    this.talk.say(side, said);
    return this.take();
  }

  reset(): this {
    this.talk.send('client', RST);
    return this.take();
  }

  protected take(): this {
    this.packets.push(...this.talk.packets.splice(0));
    return this;
  }
}
