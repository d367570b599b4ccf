/** Several rule sets over the same packets: what `-R` twice gives (docs/schema/comparison-1.json, change-1.json). */
import type { Frame } from '../model/witness.ts';
import { type Ends, flowKey, readEnds } from '../replay/flow.ts';
import type { Fate, FateList } from './fates.ts';
import type { Report } from './report.ts';
import { formatTime } from './verdict-line.ts';

/** One packet whose verdict is not the same under every rule set. */
export interface Change extends Partial<Ends> {
  packet: number;
  time: string;
  /** One a rule set, in the order of the reports. */
  outcomes: Fate[];
}

/** A flow with packets that change: how many, and the first of them. */
export interface ChangedFlow {
  packets: number;
  first: Change;
}

export interface Comparison {
  schema: 'wasmtables/comparison/1';
  reports: Report[];
  /** Packets whose verdict is not the same under every rule set, and the flows (pairs of addresses, protocol, ports) they belong to. */
  changed: { packets: number; flows: number };
  /** The flows that change, in the order of their first changed packets; at most CHANGES_MAX. */
  changes: ChangedFlow[];
  /** Changed flows that `changes` has no room for. */
  changesLeftOut: number;
  /** Packets with the same verdict under every rule set, but not the same hook or, translated, not the same ends. Only when there are any. */
  elsewhere?: { packets: number; flows: number; changes: ChangedFlow[]; changesLeftOut: number };
}

/** Flows a comparison lists; `--verdicts` writes every packet. */
export const CHANGES_MAX = 100;

/** 0-based numbers of the packets on whose verdict the lists do not agree; of an interrupted comparison, those that every list has. */
export const changedPackets = (lists: readonly FateList[]): number[] =>
  packetsWhere(lists, (one, other) => one.verdict !== other.verdict);

/** The same, of packets on whose verdict they agree, but not on their hook, or on the ends they leave with. */
export const movedPackets = (lists: readonly FateList[]): number[] =>
  packetsWhere(
    lists,
    (one, other) => one.hook !== other.hook || one.ends !== other.ends,
    (one, other) => one.verdict === other.verdict,
  );

/** Packets of which `some` is true for the first list and another, and `every` for the first and all others. */
function packetsWhere(
  lists: readonly FateList[],
  some: (one: Fate, other: Fate) => boolean,
  every: (one: Fate, other: Fate) => boolean = () => true,
): number[] {
  const [first, ...others] = lists;
  const found: number[] = [];
  if (first === undefined) return found;
  const length = Math.min(...lists.map((list) => list.length));
  for (let index = 0; index < length; index++) {
    const one = first.at(index);
    if (others.some((list) => some(one, list.at(index))) && others.every((list) => every(one, list.at(index)))) found.push(index);
  }
  return found;
}

/** Collects what changes, as the frames go by once more. */
export class ChangeCollector {
  readonly #lists: readonly FateList[];
  readonly #changed: ReadonlySet<number>;
  readonly #onChange: (change: Change) => void;
  readonly #flows = new Map<string, ChangedFlow | { packets: number }>();

  /** `changed`: what changedPackets gave of the lists. `onChange` is told every packet. */
  constructor(lists: readonly FateList[], changed: readonly number[], onChange: (change: Change) => void = () => {}) {
    this.#lists = lists;
    this.#changed = new Set(changed);
    this.#onChange = onChange;
  }

  /** The frame of a packet, counted from 0; those that do not change are passed over. */
  add(frame: Frame, index: number): void {
    if (!this.#changed.has(index)) return;
    const ends = readEnds(frame);
    const change: Change = {
      packet: index + 1,
      time: formatTime(frame.time),
      ...ends,
      outcomes: this.#lists.map((list) => list.at(index)),
    };
    this.#onChange(change);
    const key = flowKey(ends);
    const flow = this.#flows.get(key);
    if (flow !== undefined) flow.packets++;
    else this.#flows.set(key, { packets: 1, ...(this.#flows.size < CHANGES_MAX ? { first: change } : {}) });
  }

  /** What a comparison says of the changes. */
  result(): Pick<Comparison, 'changed' | 'changes' | 'changesLeftOut'> {
    const changes = [...this.#flows.values()].filter((flow): flow is ChangedFlow => 'first' in flow);
    const flows = this.#flows.size;
    return { changed: { packets: this.#changed.size, flows }, changes, changesLeftOut: flows - changes.length };
  }
}
