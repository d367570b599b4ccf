/** Several rule sets over the same packets: what `-R` twice gives (docs/schema/comparison-1.json). */
import type { Report } from './report.ts';

export interface Comparison {
  schema: 'wasmtables/comparison/1';
  reports: Report[];
  /** Packets whose verdict is not the same under every rule set, and the flows (pairs of addresses, protocol, ports) they belong to. */
  changed: { packets: number; flows: number };
}

/** Codes of Verdict in the per-packet list; 0 is a packet that never reached netfilter. */
export const VERDICT_CODES: Readonly<Record<string, number>> = { ACCEPT: 1, DROP: 2, REJECT: 3, STACK: 4 };

/** A growing list of one byte a packet. */
export class VerdictList {
  #bytes = new Uint8Array(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(code: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = code;
  }

  at(index: number): number {
    return this.#bytes[index] ?? 0;
  }
}

/** 0-based numbers of the packets on which the lists do not agree; of an interrupted comparison, those that every list has. */
export function changedPackets(lists: readonly VerdictList[]): number[] {
  const [first, ...others] = lists;
  const changed: number[] = [];
  if (first === undefined) return changed;
  const length = Math.min(...lists.map((list) => list.length));
  for (let index = 0; index < length; index++) {
    const verdict = first.at(index);
    if (others.some((list) => list.at(index) !== verdict)) changed.push(index);
  }
  return changed;
}
