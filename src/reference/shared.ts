/** What rules share by name, in all tables and families. */
import { HashlimitTable } from '../extensions/hashlimit-table.ts';
import { Account } from '../extensions/nfacct.ts';
import { RecentList } from '../extensions/recent-list.ts';
import * as shown from '../model/proc-tables.ts';
import type { ReplayResult } from '../model/witness.ts';

export class SharedState {
  readonly #kept = new Map<string, unknown>();

  /** Made when the first rule asks for it. */
  readonly get = <T>(name: string, make: () => T): T => {
    if (!this.#kept.has(name)) this.#kept.set(name, make());
    return this.#kept.get(name) as T;
  };

  /** The lists of recent. */
  recent(): shown.RecentTable[] {
    const lists = [...this.#kept].flatMap(([key, value]) =>
      value instanceof RecentList ? [{ name: key.slice('recent '.length), entries: value.shown() }] : [],
    );
    return shown.sortRecent(lists);
  }

  /** The objects of nfacct; undefined where no rule names one. */
  nfacct(): ReplayResult['nfacct'] {
    const objects = [...this.#kept].flatMap(([key, value]) =>
      value instanceof Account ? [{ name: key.slice('nfacct '.length), packets: value.packets, bytes: value.bytes }] : [],
    );
    return objects.length === 0 ? undefined : objects.sort(shown.byName);
  }

  /** The tables of hashlimit at a moment in jiffies. */
  hashlimit(now: bigint): shown.HashlimitTable[] {
    const tables = [...this.#kept.values()].flatMap((value) =>
      value instanceof HashlimitTable ? [{ family: value.family, name: value.options.name, entries: value.shown(now) }] : [],
    );
    return shown.sortTables(tables);
  }
}
