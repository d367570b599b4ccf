/** Pass: where `cluster` may change the type of packets, tests of it are made at run time; no tree decides them. */
import { FIELD_PACKET_TYPE } from '../abi/fields.ts';
import { SPECIAL_CLUSTER, SPECIAL_PACKET_TYPE } from '../abi/special.ts';
import type { Test } from '../model/predicate.ts';
import type { PlainTable } from './plain.ts';

export function withChangingTypes(tables: readonly PlainTable[]): PlainTable[] {
  const changing = tables.some(({ chains }) => chains.some(({ rules }) => rules.some(({ tests }) => tests.some(changes))));
  if (!changing) return [...tables];
  return tables.map((table) => ({
    ...table,
    chains: table.chains.map((chain) => ({
      ...chain,
      rules: chain.rules.map((rule) => ({ ...rule, tests: rule.tests.map(atRunTime) })),
    })),
  }));
}

const changes = (test: Test): boolean => test.kind === 'special' && test.code === SPECIAL_CLUSTER;

function atRunTime(test: Test): Test {
  if (test.kind !== 'range' || test.field !== FIELD_PACKET_TYPE) return test;
  return {
    kind: 'special',
    code: SPECIAL_PACKET_TYPE,
    parameters: [test.low, test.high, test.invert ? 1 : 0],
    stateful: false,
  };
}
