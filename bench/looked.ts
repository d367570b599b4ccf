/** What a packet is held against on its way through a walk of an image, counted without the engine: nodes of trees, and tests of the rules that are left. */
import * as program from '../src/abi/program.ts';
import { type WalkName, walkNumber } from '../src/compile/walks.ts';
import { readImage } from '../src/engine/image-view.ts';

export interface Looked {
  nodes: number;
  tests: number;
}

/** Counts for packets of one walk. Special tests are taken to hold. */
export class Looker {
  private readonly words: Uint32Array;
  private readonly bytes: Uint8Array;
  private readonly root: number;
  private readonly policy: number;
  private packet: Uint32Array = new Uint32Array(0);
  private nodes = 0;
  private tests = 0;

  constructor(image: Uint8Array, { family, hook, table }: WalkName) {
    const { code } = readImage(image);
    this.bytes = code;
    this.words = new Uint32Array(code.buffer, code.byteOffset, code.length / 4);
    const walk = walkNumber(family, hook, table);
    this.root = this.words[walk * 2]!;
    this.policy = this.words[walk * 2 + 1]!;
  }

  /** Of one packet (fields as in abi/fields.ts). */
  look(packet: Uint32Array): Looked {
    this.packet = packet;
    this.nodes = 0;
    this.tests = 0;
    const calls: number[] = [];
    let next = this.words[this.descend(this.root) / 4 + 1]!;
    while (next >= program.NEXT_STEP) {
      const step = next / 4;
      const head = this.words[step]!;
      const kind = head & 255;
      if (kind === program.STEP_TESTS) {
        const holds = this.holds(step, head);
        const isHit = holds && head >>> 24 === program.END_HIT;
        next = this.words[step + (isHit ? program.STEP_HIT_NEXT : program.STEP_MISS_NEXT) / 4]!;
      } else if (kind === program.STEP_SEARCH) next = this.search(step, head >>> 8);
      else if (kind === program.STEP_CALL) {
        calls.push(this.words[step + program.STEP_MISS_NEXT / 4]!);
        next = this.words[step + program.STEP_HIT_NEXT / 4]!;
      } else if (kind === program.STEP_RETURN) next = calls.pop() ?? this.words[this.policy / 4 + 1]!;
      else next = this.words[step + program.STEP_HIT_NEXT / 4]!;
    }
    return { nodes: this.nodes, tests: this.tests };
  }

  private descend(root: number): number {
    let reference = root;
    for (; (reference & program.REF_EDGE) === 0; this.nodes++) {
      const head = this.words[reference / 4]!;
      if ((head & program.NODE_TABLE) === 0) {
        const isAbove = this.packet[head / 4]! > this.words[reference / 4 + 1]!;
        reference = this.words[reference / 4 + (isAbove ? 3 : 2)]!;
      } else {
        const value = this.packet[(head - program.NODE_TABLE) / 4]!;
        reference =
          this.words[
            (reference + program.NODE_TABLE_CHILDREN) / 4 + this.bytes[reference + program.NODE_TABLE_CLASSES + value]!
          ]!;
      }
    }
    return reference - program.REF_EDGE;
  }

  private search(step: number, groups: number): number {
    const { words } = this;
    const search = words[step + program.STEP_LIST / 4]! / 4;
    const entries = words[search]!;
    const first = search + program.SEARCH_GROUPS / 4;
    let best = entries;
    for (let group = 0; group < groups; group++) {
      if (best < words[first + 2 * group + 1]!) continue;
      let next = words[this.descend(words[first + 2 * group]!) / 4 + 1]!;
      while ((next & program.FOUND) === 0) {
        const holds = this.holds(next / 4, words[next / 4]!);
        next = words[next / 4 + (holds ? program.STEP_HIT_NEXT : program.STEP_MISS_NEXT) / 4]!;
      }
      best = Math.min(best, next >>> 1);
    }
    if (best === entries) return words[step + program.STEP_HIT_NEXT / 4]!;
    return words[first + 2 * groups + 2 * best + 1]!;
  }

  private holds(step: number, head: number): boolean {
    const list = this.words[step + program.STEP_LIST / 4]! / 4;
    const count = (head >>> 8) & 0xffff;
    for (let index = 0; index < count; index++) if (!this.holdsTest(this.words[list + index]! / 4)) return false;
    return true;
  }

  private holdsTest(test: number): boolean {
    this.tests++;
    const { words, packet } = this;
    const head = words[test]!;
    const at = words[test + 1]! / 4;
    const isInverted = (head & program.TEST_INVERT) !== 0;
    switch (head & program.TEST_OPCODE) {
      case program.TEST_RANGE:
        return (packet[at]! - words[test + 2]!) >>> 0 <= words[test + 3]! !== isInverted;
      case program.TEST_MASK:
        return ((packet[at]! & words[test + 2]!) >>> 0 === words[test + 3]!) !== isInverted;
      case program.TEST_WORDS: {
        let isSame = true;
        for (let word = 0; word < words[test + 2]!; word++) {
          if ((packet[at + word]! & words[test + 3 + 2 * word]!) >>> 0 !== words[test + 4 + 2 * word]!) isSame = false;
        }
        return isSame !== isInverted;
      }
      case program.TEST_RANGES: {
        const [fields, ranges] = [words[test + 1]!, words[test + 2]!];
        let isInside = false;
        for (let one = 0; one < fields; one++) {
          const value = packet[words[test + 3 + one]! / 4]!;
          for (let range = test + 3 + fields; range < test + 3 + fields + 2 * ranges; range += 2)
            if ((value - words[range]!) >>> 0 <= words[range + 1]!) isInside = true;
        }
        return isInside !== isInverted;
      }
      default:
        return true;
    }
  }
}
