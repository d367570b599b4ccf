/** Where a capture of translated connections was taken: packets that conntrack does not know, for they look as on the other side of the translation (model/vantage.ts). */
import { STATUS_DST_NAT, STATUS_SRC_NAT } from '../../abi/fields.ts';
import { FORWARDED_TTLS, type Sighted, vantageNotes } from '../../model/vantage.ts';
import { ORIGINAL } from './connection.ts';
import type { Found } from './table.ts';

export class Vantage {
  readonly #back: Sighted = { packets: 0, first: 0 };
  readonly #other: Sighted = { packets: 0, first: 0 };
  readonly strays: Sighted = { packets: 0, first: 0 };
  readonly unjudged: Sighted = { packets: 0, first: 0 };

  /** Packet `number` belongs to no connection; one with its ends exchanged would belong to `exchanged`. */
  see(number: number, exchanged: Found | undefined): void {
    if (exchanged === undefined) return;
    const { connection, direction } = exchanged;
    if (!connection.has(STATUS_SRC_NAT | STATUS_DST_NAT)) return;
    const kind = direction === ORIGINAL && !connection.seenReply ? this.#back : this.#other;
    if (kind.packets++ === 0) kind.first = number;
  }

  /** Packet `number` went out from an address of this host, and no connection has it. */
  stray(number: number, ttl: number): void {
    if (FORWARDED_TTLS.has(ttl) && this.strays.packets++ === 0) this.strays.first = number;
  }

  /** Packet `number` went out from an address of another one; it was not sent on, and no connection has it. */
  stranger(number: number): void {
    if (this.unjudged.packets++ === 0) this.unjudged.first = number;
  }

  notes(): string[] {
    return vantageNotes(this.#back, this.#other);
  }
}
