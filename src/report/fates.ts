/** What one rule set says of every packet of a capture, kept until another has said it too: some bytes a packet, and little for each of the different fates and ends. */
import type { PacketOutcome } from '../model/outcome.ts';
import { type Ends, endsOf } from '../replay/flow.ts';

/** What one rule set says of a packet, in the words of a verdict line. */
export interface Fate extends Pick<PacketOutcome, 'hook' | 'verdict' | 'rule' | 'ctstate' | 'unseen' | 'reason'> {
  /** Whom it goes from and to behind the rules, of accepted packets whose bytes were asked for: `192.0.2.1:4000 > 198.51.100.2:80`. */
  ends?: string;
}

/** A growing list of fates. What rules decide is kept apart from the ends packets leave with: there are few of the one, and of the other as many as translated connections have directions. */
export class FateList {
  readonly #fates = new Numbered<Fate>();
  readonly #ends = new Numbered<string | undefined>();

  get length(): number {
    return this.#fates.length;
  }

  push({ rewritten, ...outcome }: Omit<Fate, 'ends'> & Pick<PacketOutcome, 'rewritten'>): void {
    const { hook, verdict, rule, ctstate, unseen, reason } = outcome;
    const key = `${hook} ${verdict} ${rule} ${ctstate} ${unseen} ${reason}`;
    this.#fates.push(key, () => ({ hook, verdict, ...given({ rule, ctstate, unseen, reason }) }));
    const ends = rewritten === undefined || verdict !== 'ACCEPT' ? undefined : endsText(endsOf(rewritten));
    this.#ends.push(ends ?? '', () => ends);
  }

  /** The fate of a packet, counted from 0. */
  at(index: number): Fate {
    const ends = this.#ends.at(index);
    return ends === undefined ? this.#fates.at(index) : { ...this.#fates.at(index), ends };
  }
}

/** A growing list of values of which many are equal: one number each, and the different ones once. */
class Numbered<T> {
  #numbers = new Uint32Array(4096);
  readonly #values: T[] = [];
  readonly #known = new Map<string, number>();
  length = 0;

  /** Equal values have equal keys; `make` is called for the first of them. */
  push(key: string, make: () => T): void {
    let number = this.#known.get(key);
    if (number === undefined) {
      number = this.#values.push(make()) - 1;
      this.#known.set(key, number);
    }
    if (this.length === this.#numbers.length) {
      const larger = new Uint32Array(this.#numbers.length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.length++] = number;
  }

  at(index: number): T {
    return this.#values[this.#numbers[index]!]!;
  }
}

type Known = Pick<Fate, 'rule' | 'ctstate' | 'unseen' | 'reason'>;
const given = (values: { [K in keyof Known]: Known[K] | undefined }): Known =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** `192.0.2.1:4000 > 198.51.100.2:80`, in IPv6 with brackets where there are ports. */
function endsText(ends: Ends | undefined): string | undefined {
  if (ends === undefined) return undefined;
  const { source, destination, sourcePort, destinationPort } = ends;
  const end = (address: string, port: number | undefined): string => {
    if (port === undefined) return address;
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  };
  // Joined, not concatenated: what is concatenated keeps its parts in memory.
  return [end(source, sourcePort), end(destination, destinationPort)].join(' > ');
}
