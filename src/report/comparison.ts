/** Several rule sets over the same packets: what `-R` twice gives (docs/schema/comparison-1.json, change-1.json). */
import type { PacketOutcome } from '../model/outcome.ts';
import type { Frame } from '../model/witness.ts';
import { type Ends, flowKey, readEnds } from '../replay/flow.ts';
import type { Report } from './report.ts';
import { formatTime } from './verdict-line.ts';

/** What one rule set says of a packet, in the words of a verdict line. */
export type Fate = Pick<PacketOutcome, 'hook' | 'verdict' | 'rule' | 'ctstate' | 'unseen' | 'reason'>;

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
}

/** Flows a comparison lists; `--verdicts` writes every packet. */
export const CHANGES_MAX = 100;

/** A growing list of fates, one number a packet: there are few different ones. */
export class FateList {
  #numbers = new Uint32Array(4096);
  #length = 0;
  readonly #fates: Fate[] = [];
  readonly #known = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  push({ hook, verdict, rule, ctstate, unseen, reason }: Fate): void {
    const key = `${hook} ${verdict} ${rule} ${ctstate} ${unseen} ${reason}`;
    let number = this.#known.get(key);
    if (number === undefined) {
      number = this.#fates.push({ hook, verdict, ...given({ rule, ctstate, unseen, reason }) }) - 1;
      this.#known.set(key, number);
    }
    if (this.#length === this.#numbers.length) {
      const larger = new Uint32Array(this.#numbers.length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length++] = number;
  }

  /** The fate of a packet, counted from 0. */
  at(index: number): Fate {
    return this.#fates[this.#numbers[index]!]!;
  }
}

type Known = Pick<Fate, 'rule' | 'ctstate' | 'unseen' | 'reason'>;
const given = (values: { [K in keyof Known]: Known[K] | undefined }): Known =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** 0-based numbers of the packets on whose verdict the lists do not agree; of an interrupted comparison, those that every list has. */
export function changedPackets(lists: readonly FateList[]): number[] {
  const [first, ...others] = lists;
  const changed: number[] = [];
  if (first === undefined) return changed;
  const length = Math.min(...lists.map((list) => list.length));
  for (let index = 0; index < length; index++) {
    const { verdict } = first.at(index);
    if (others.some((list) => list.at(index).verdict !== verdict)) changed.push(index);
  }
  return changed;
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
