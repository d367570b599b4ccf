/** Pass: tests that share state by name agree on what it is, and each carries all there is to know of it in its parameters. */
import type { SharedState, Test } from '../model/predicate.ts';
import type { Profile } from '../model/profile.ts';
import type { PlainRule, PlainTable } from './plain.ts';

/** As much memory for shared state as the engine is asked for at most (a list of `recent` with --hitcount 65535 takes 52 MB). */
const MOST = 512 << 20;

/**
 * The tables with agreed parameters. What the first rule that is loaded says counts: iptables-legacy loads chain by chain, iptables-nft in the order of writing; IPv4 comes before IPv6.
 * Throws RangeError when the state takes more memory than there may be.
 */
export function share(tables: readonly PlainTable[], backend: Profile['backend']): PlainTable[] {
  const agreed = new Map<string, SharedState>();
  for (const { tests } of inOrder(tables, backend)) {
    for (let index = 0; index < tests.length; index++) {
      const test = tests[index]!;
      if (test.kind !== 'special' || test.shared === undefined) continue;
      const known = agreed.get(test.shared.name);
      agreed.set(test.shared.name, known === undefined ? test.shared : larger(known, test.shared));
    }
  }
  const bytes = [...agreed.values()].reduce((sum, one) => sum + one.bytes, 0);
  if (bytes > MOST) throw new RangeError(`the rules' shared lists and tables take ${bytes} bytes, more than ${MOST}`);
  if (agreed.size === 0) return [...tables];
  return tables.map((table) => ({
    ...table,
    chains: table.chains.map((chain) => ({
      ...chain,
      rules: chain.rules.map((rule) => ({ ...rule, tests: rule.tests.map((test) => told(test, agreed)) })),
    })),
  }));
}

function inOrder(tables: readonly PlainTable[], backend: Profile['backend']): PlainRule[] {
  return ([4, 6] as const).flatMap((family) => {
    const rules = tables
      .filter((table) => table.family === family)
      .flatMap(({ chains }) => chains.flatMap((chain) => chain.rules));
    return backend === 'nft' ? rules.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) : rules;
  });
}

function larger(one: SharedState, other: SharedState): SharedState {
  return {
    ...one,
    most: one.most.map((value, index) => Math.max(value, other.most[index] ?? 0)),
    bytes: Math.max(one.bytes, other.bytes),
  };
}

function told(test: Test, agreed: ReadonlyMap<string, SharedState>): Test {
  if (test.kind !== 'special' || test.shared === undefined) return test;
  const shared = agreed.get(test.shared.name)!;
  return { ...test, shared, parameters: [...test.parameters, ...shared.first, ...shared.most] };
}
