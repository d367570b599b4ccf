/** nf_conntrack_max: whether there is room for one more connection (__nf_conntrack_alloc and early_drop of nf_conntrack_core.c). */
import { type Profile, sysctl } from '../../model/profile.ts';
import { type FullTable, isSparse, tableNotes } from '../../model/table-limit.ts';
import type { ConnectionTable } from './table.ts';

export class TableLimit {
  readonly #table: ConnectionTable;
  readonly #max: number;
  readonly #sparse: boolean;
  readonly #met: FullTable = { dropped: 0, unlucky: 0, lucky: 0 };

  constructor(profile: Profile, table: ConnectionTable) {
    this.#table = table;
    this.#max = sysctl(profile, 'nf_conntrack_max');
    this.#sparse = isSparse(profile);
  }

  /** Makes room, if it must and can. False: the packet that wants a connection is dropped. */
  admits(now: number): boolean {
    if (this.#max === 0 || !this.#table.holds(this.#max, now)) return true;
    const goes = this.#table.oldestUnassured();
    if (goes === undefined) {
      this.#met.dropped++;
      return false;
    }
    if (this.#sparse) {
      this.#met.unlucky++;
      return false;
    }
    this.#met.lucky++;
    this.#table.remove(goes);
    return true;
  }

  /** What was met so far. */
  notes(): string[] {
    return tableNotes(this.#max, this.#met);
  }
}
