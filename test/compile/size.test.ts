/** Sizes and work of compiled rule sets: what must not explode does not, by counts that are the same on every machine. */
import { beforeAll, describe, expect, test } from 'vitest';
import * as field from '../../src/abi/fields.ts';
import { FIELD_COUNT } from '../../src/abi/fields.ts';
import { NODE_TABLE, REF_EDGE } from '../../src/abi/program.ts';
import type { PlainChain, PlainRule, PlainTable } from '../../src/compile/plain.ts';
import { WalkError } from '../../src/compile/walk.ts';
import type { ImageView } from '../../src/engine/image-view.ts';
import type { WasmSource } from '../../src/engine/loader.ts';
import type { Action, Test } from '../../src/model/predicate.ts';
import { engineModule } from '../engine/session/wasm.ts';
import { Naive } from './naive.ts';
import { PlainEngine, plainImage } from './plain-engine.ts';

let wasm: WasmSource;
beforeAll(() => {
  wasm = engineModule('release');
});

const TREE = { tree: true, effort: 1, tracesDrops: false };
const accept: Action = { kind: 'verdict', verdict: 'ACCEPT' };

function is(at: number, value: number): Test {
  return { kind: 'range', field: at, low: value, high: value, invert: false, onFail: 'miss' };
}

function filter(rules: PlainRule[], users: PlainChain[] = []): PlainTable {
  return { family: 4, name: 'filter', chains: [{ name: 'INPUT', policy: 'DROP', rules }, ...users] };
}

function packet(values: Record<number, number>): Uint32Array {
  const fields = new Uint32Array(FIELD_COUNT);
  fields[field.FIELD_FAMILY] = 4;
  for (const [at, value] of Object.entries(values)) fields[Number(at)] = value;
  return fields;
}

/** Nodes on the way of a packet, and the number of its leaf's steps is 0 when the edge's next is a verdict. */
function descend({ code }: ImageView, walk: number, fields: Uint32Array): { hops: number; decided: boolean } {
  const words = new Uint32Array(code.buffer, code.byteOffset, code.length / 4);
  let reference = words[walk * 2]!;
  let hops = 0;
  for (; (reference & REF_EDGE) === 0; hops++) {
    const head = words[reference / 4]!;
    if ((head & NODE_TABLE) === 0) {
      reference = words[reference / 4 + (fields[head / 4]! > words[reference / 4 + 1]! ? 3 : 2)]!;
    } else {
      reference = words[reference / 4 + 66 + code[reference + 8 + fields[(head - NODE_TABLE) / 4]!]!]!;
    }
  }
  return { hops, decided: words[(reference - REF_EDGE) / 4 + 1]! < 16 };
}

const INPUT_FILTER = 5 + 3;

describe('large lists of exact matches', () => {
  test('10,000 address and port pairs: one way of about 14 nodes, and work in proportion', async () => {
    const rules = Array.from({ length: 10_000 }, (_, index): PlainRule => {
      const address = (0x0a000000 + index * 7919) >>> 0;
      const tests = [
        {
          kind: 'words',
          field: field.FIELD_DESTINATION,
          mask: [0xffffffff],
          value: [address],
          invert: false,
          onFail: 'miss',
        } as const,
        is(field.FIELD_PROTOCOL, 6),
        is(field.FIELD_DPORT, 1 + (index % 3000)),
      ];
      return { tests, action: accept, bare: false };
    });
    const { bytes, walks } = plainImage([filter(rules)], TREE);
    expect(walks.fallbacks).toBe(0);
    expect(walks.code.nodes).toBeLessThan(45_000);
    expect(walks.work).toBeLessThan(2_000_000);
    const engine = await PlainEngine.open(wasm, bytes);
    const hit = packet({
      [field.FIELD_DESTINATION]: 0x0a000000 + 1234 * 7919,
      [field.FIELD_PROTOCOL]: 6,
      [field.FIELD_DPORT]: 1235,
    });
    expect(engine.walk(4, 'INPUT', 'filter', hit)).toBe(0);
    expect(descend(engine.image, INPUT_FILTER, hit).hops).toBeLessThan(24);
    const { counters, evaluations } = engine.counted();
    expect(counters[4]!.filter!.INPUT!.rules[1234]).toEqual({ packets: 1, bytes: 100 });
    expect(evaluations).toBe(1235);
  });

  test('6,000 MAC addresses', () => {
    const rules = Array.from({ length: 6000 }, (_, index): PlainRule => {
      const value = [0x10000 + (0x5254 + (index % 5)), (index * 2654435761) >>> 0];
      const mac: Test = {
        kind: 'words',
        field: field.FIELD_MAC_HIGH,
        mask: [0xffffffff, 0xffffffff],
        value,
        invert: false,
        onFail: 'miss',
      };
      return { tests: [mac], action: accept, bare: false };
    });
    const { walks } = plainImage([filter(rules)], TREE);
    expect(walks.fallbacks).toBe(0);
    expect(walks.code.nodes).toBeLessThan(30_000);
    expect(walks.work).toBeLessThan(2_000_000);
  });
});

describe('rules that are wide where others are narrow', () => {
  const prefix = (at: number, address: number): Test => ({
    kind: 'words',
    field: at,
    mask: [0xffffff00],
    value: [(address & 0xffffff00) >>> 0],
    invert: false,
    onFail: 'miss',
  });
  const sources = (index: number): number => (0x0a000000 + index * 2654435) >>> 0;
  const destinations = (index: number): number => (0xac000000 + index * 7654321) >>> 0;
  /** In turns one of a network of sources, and one of destinations. */
  const rules = Array.from({ length: 4000 }, (_, index): PlainRule => {
    const test =
      index % 2 === 0 ? prefix(field.FIELD_SOURCE, sources(index)) : prefix(field.FIELD_DESTINATION, destinations(index));
    return { tests: [test], action: accept, bare: false };
  });

  test('2,000 sources and 2,000 destinations: two trees, not one of four million boxes', async () => {
    const { bytes, walks } = plainImage([filter(rules)], TREE);
    expect(walks.fallbacks).toBe(0);
    expect(walks.leaves).toBeLessThan(3 * 4000);
    expect(walks.worstLeaf).toBeLessThan(9);
    expect(bytes.length).toBeLessThan(500_000);
    // Most of it is one attempt with all of them.
    expect(walks.work).toBeLessThan(1_000_000);
    const engine = await PlainEngine.open(wasm, bytes);
    // The first of the two that hold decides.
    for (const [source, destination] of [
      [2000, 2001],
      [3000, 1001],
    ] as const) {
      const both = packet({ [field.FIELD_SOURCE]: sources(source), [field.FIELD_DESTINATION]: destinations(destination) });
      expect(engine.walk(4, 'INPUT', 'filter', both)).toBe(0);
    }
    expect(engine.walk(4, 'INPUT', 'filter', packet({}))).toBe(1);
    const { counters, evaluations } = engine.counted();
    const counted = counters[4]!.filter!.INPUT!.rules.flatMap((rule, index) => (rule.packets > 0 ? [index] : []));
    expect(counted).toEqual([1001, 2000]);
    expect(evaluations).toBe(2001 + 1002 + 4000);
  });
});

describe('call graphs', () => {
  /** A test that no box decides and that says nothing of the others. */
  const bit = (at: number): Test => ({
    kind: 'mask',
    field: field.FIELD_CT_STATUS,
    mask: 1 << at,
    value: 1 << at,
    invert: false,
    onFail: 'miss',
  });

  /** Each chain calls the next one twice: 2^depth ways. */
  function diamond(depth: number, conditional: boolean): PlainTable {
    const jump = (at: number): PlainRule[] =>
      [0, 1].map(
        (): PlainRule => ({
          tests: conditional ? [bit(at)] : [],
          action: { kind: 'jump', chain: `c${at}` },
          bare: false,
        }),
      );
    const users: PlainChain[] = Array.from({ length: depth }, (_, at) => ({
      name: `c${at}`,
      policy: null,
      rules: at + 1 < depth ? jump(at + 1) : [{ tests: [], action: { kind: 'continue' }, bare: false }],
    }));
    return filter(jump(0), users);
  }

  test.each([true, false])('2^30 ways, conditional %s: the rules are walked one by one, and that is said', (conditional) => {
    const { walks, bytes } = plainImage([diamond(30, conditional)], TREE);
    expect(walks.fallbacks).toBe(1);
    expect(walks.notes).toEqual(['filter INPUT: too many ways through its chains for a tree; its rules are walked one by one']);
    expect(bytes.length).toBeLessThan(40_000);
    expect(walks.work).toBeLessThan(200_000);
  });

  test('2^10 ways still count as the naive walk does', async () => {
    const table = diamond(10, false);
    const engine = await PlainEngine.open(wasm, plainImage([table], TREE).bytes);
    const naive = new Naive(table);
    naive.walk('INPUT', packet({}), 0n);
    engine.walk(4, 'INPUT', 'filter', packet({}));
    const { counters, evaluations } = engine.counted();
    expect(counters[4]!.filter!.c9!.rules[0]!.packets).toBe(1024);
    expect(evaluations).toBe(naive.counters.evaluations);
  });

  test('thousands of nested chains', async () => {
    const users: PlainChain[] = Array.from({ length: 5000 }, (_, at) => ({
      name: `c${at}`,
      policy: null,
      rules: at + 1 < 5000 ? [{ tests: [], action: { kind: 'jump', chain: `c${at + 1}` }, bare: false }] : [],
    }));
    const table = filter([{ tests: [], action: { kind: 'jump', chain: 'c0' }, bare: false }], users);
    for (const tree of [true, false]) {
      const engine = await PlainEngine.open(wasm, plainImage([table], { tree, effort: 1, tracesDrops: false }).bytes);
      expect(engine.walk(4, 'INPUT', 'filter', packet({}))).toBe(1);
      expect(engine.counted().evaluations).toBe(5000);
    }
  });

  test('a loop and a chain that is not there are refused', () => {
    const loop = filter(
      [{ tests: [], action: { kind: 'jump', chain: 'a' }, bare: false }],
      [{ name: 'a', policy: null, rules: [{ tests: [], action: { kind: 'goto', chain: 'a' }, bare: false }] }],
    );
    expect(() => plainImage([loop], TREE)).toThrow(WalkError);
    expect(() => plainImage([filter([{ tests: [], action: { kind: 'jump', chain: 'x' }, bare: false }])], TREE)).toThrow(
      'no chain x',
    );
  });
});

test('a host firewall is decided without residual tests, established packets within four nodes', async () => {
  const ports = [22, 25, 53, 80, 110, 143, 443, 465, 587, 993, 995, 3306, 8080, 8443];
  const rules: PlainRule[] = [
    { tests: [is(field.FIELD_CT_STATE, field.CT_INVALID)], action: { kind: 'verdict', verdict: 'DROP' }, bare: false },
    { tests: [is(field.FIELD_CT_STATE, field.CT_ESTABLISHED)], action: accept, bare: false },
    ...ports.map(
      (port): PlainRule => ({ tests: [is(field.FIELD_PROTOCOL, 6), is(field.FIELD_DPORT, port)], action: accept, bare: false }),
    ),
  ];
  const { walks, bytes } = plainImage([filter(rules)], TREE);
  expect(walks.worstLeaf).toBe(0);
  const engine = await PlainEngine.open(wasm, bytes);
  const established = packet({
    [field.FIELD_CT_STATE]: field.CT_ESTABLISHED,
    [field.FIELD_PROTOCOL]: 6,
    [field.FIELD_DPORT]: 8443,
  });
  expect(descend(engine.image, INPUT_FILTER, established)).toEqual({ hops: expect.any(Number), decided: true });
  expect(descend(engine.image, INPUT_FILTER, established).hops).toBeLessThanOrEqual(4);
});
