/** The engine's sets of ipset, read back from their region. Layout: abi/sets.ts. */
import * as abi from '../abi/sets.ts';
import {
  type IpSet,
  interfaceWords,
  LIST_TYPE,
  MAC_UNKNOWN,
  SET_TYPES,
  type SetElement,
  type SetExtras,
  type SetMember,
} from '../model/ipset.ts';

/** Bytes that the engine is to have behind the region. */
export function setsBehind(region: Uint8Array | Uint32Array): number {
  return region.length === 0 ? 0 : new DataView(region.buffer, region.byteOffset).getUint32(abi.SETS_BEHIND, true);
}

/** The sets `now` jiffies behind the start of the replay. `given`: as they were then; `at`: where the region lies; `nameOf`: the names of devices by their ids. */
export function readSets(
  memory: ArrayBuffer,
  at: number,
  given: readonly IpSet[],
  { now, hz, nameOf }: { now: bigint; hz: bigint; nameOf: (id: number) => string },
): IpSet[] {
  return given.map((set, i) => {
    const reader = new SetReader(new DataView(memory, at), abi.SETS_FIRST + i * abi.SET_HEADER_SIZE, { now, hz, nameOf });
    return set.type === LIST_TYPE ? { ...set, members: reader.members(set.members) } : { ...set, elements: reader.elements(set) };
  });
}

class SetReader {
  readonly #view: DataView;
  readonly #header: number;
  readonly #now: bigint;
  readonly #hz: bigint;
  readonly #nameOf: (id: number) => string;

  constructor(view: DataView, header: number, { now, hz, nameOf }: { now: bigint; hz: bigint; nameOf: (id: number) => string }) {
    this.#view = view;
    this.#header = header;
    this.#now = now;
    this.#hz = hz;
    this.#nameOf = nameOf;
  }

  members(given: readonly SetMember[]): SetMember[] {
    return this.#entries().flatMap(({ at, number }) => {
      const member = given[number - 1];
      if (member === undefined) return [];
      const { set, comment, info } = member;
      return { set, ...this.#extras(at, { comment, info }) };
    });
  }

  elements(set: IpSet): SetElement[] {
    const bitmap = set.range !== undefined;
    const kinds = SET_TYPES[set.type]!;
    return this.#entries().map(({ at, number, flags }) => {
      // Of what a packet put there nothing is known from the file; of what it put there anew, the comment of a hash.
      const known = (flags & abi.ENTRY_IS_NEW) === 0 ? set.elements[number - 1] : undefined;
      const renewed = known === undefined || (flags & abi.ENTRY_IS_RENEWED) !== 0;
      const none = set.skbinfo ? { mark: 0, mask: 0, priority: 0, queue: 0 } : undefined;
      const comment = renewed && bitmap ? undefined : known?.comment;
      return {
        parts: known !== undefined && kinds[1] === 'iface' ? known.parts : this.#parts(set, at, flags),
        nomatch: (flags & abi.ENTRY_IS_NOMATCH) !== 0,
        ...this.#extras(at, { comment, info: renewed ? none : known.info }),
      };
    });
  }

  #word(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #field(offset: number): number {
    return this.#word(this.#header + offset);
  }

  /** Those that are there and whose time is not over. */
  #entries(): { at: number; number: number; flags: number }[] {
    const [entries, count, added] = [this.#field(abi.SET_ENTRIES), this.#field(abi.SET_COUNT), this.#field(abi.SET_ADDED)];
    const found = [];
    for (let number = 1; number <= this.#field(abi.SET_USED); number++) {
      const at = number <= count ? entries + (number - 1) * abi.ENTRY_SIZE : added + (number - count - 1) * abi.ENTRY_SIZE;
      const flags = this.#word(at + abi.ENTRY_FLAGS);
      const expires = this.#view.getBigUint64(at + abi.ENTRY_EXPIRES, true);
      if (
        (flags & (abi.ENTRY_IS_FREE | abi.ENTRY_IS_HOLE)) === 0 &&
        !(expires !== 0n && this.#now > expires && (flags & abi.ENTRY_IS_WAITING) === 0)
      )
        found.push({ at, number, flags });
    }
    return found;
  }

  #extras(at: number, { comment, info }: { comment: string | undefined; info: SetExtras['info'] }): SetExtras {
    const expires = this.#view.getBigUint64(at + abi.ENTRY_EXPIRES, true);
    const waiting = (this.#word(at + abi.ENTRY_FLAGS) & abi.ENTRY_IS_WAITING) !== 0;
    const left = Number((waiting ? expires : expires - this.#now) / this.#hz);
    return {
      timeout: expires === 0n ? 0 : Math.max(left, 1),
      packets: this.#view.getBigUint64(at + abi.ENTRY_PACKETS, true),
      bytes: this.#view.getBigUint64(at + abi.ENTRY_BYTES, true),
      ...(comment === undefined ? {} : { comment }),
      ...(info === undefined ? {} : { info }),
    };
  }

  #parts({ type, family }: IpSet, at: number, flags: number): SetElement['parts'] {
    return SET_TYPES[type]!.map((kind, i) => {
      const from = at + abi.ENTRY_KEY + i * abi.PART_WORDS * 4;
      if (kind === 'iface') return { words: interfaceWords(this.#nameOf(this.#word(from))), prefix: 0 };
      if (type === 'bitmap:ip,mac' && i === 1 && (flags & abi.ENTRY_IS_WAITING) !== 0)
        return { words: [0, 0], prefix: MAC_UNKNOWN };
      const size = kind === 'mac' ? 2 : (kind === 'ip' || kind === 'net') && family === 6 ? 4 : 1;
      return {
        words: Array.from({ length: size }, (_, word) => this.#word(from + word * 4)),
        prefix: this.#word(from + (abi.PART_WORDS - 1) * 4),
      };
    });
  }
}
