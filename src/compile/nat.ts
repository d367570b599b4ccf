/** What a target of the nat table does, as the engine reads it (layout: abi/nat.ts). */
import * as abi from '../abi/nat.ts';
import type { NatAddress, NatSpec } from '../model/nat.ts';
import type { Words } from '../model/ruleset.ts';

const KINDS: Readonly<Record<NatAddress['kind'], number>> = {
  keep: abi.NAT_TO_KEEP,
  range: abi.NAT_TO_RANGE,
  masquerade: abi.NAT_TO_MASQUERADE,
  redirect: abi.NAT_TO_REDIRECT,
  netmap: abi.NAT_TO_NETMAP,
};

/** NAT_PARAMETERS words. */
export function natWords({ to, ports, random, randomFully, persistent }: NatSpec): number[] {
  const flags =
    KINDS[to.kind] |
    (ports === undefined ? 0 : abi.NAT_FLAG_PORTS) |
    (ports?.base === undefined ? 0 : abi.NAT_FLAG_OFFSET) |
    (random || randomFully ? abi.NAT_FLAG_RANDOM : 0) |
    (persistent ? abi.NAT_FLAG_PERSISTENT : 0);
  const [first, second] = addressesOf(to);
  return [flags, ...four(first), ...four(second), ports?.low ?? 0, ports?.high ?? 0, ports?.base ?? 0].map((word) => word >>> 0);
}

function addressesOf(to: NatAddress): readonly [Words, Words] {
  if (to.kind === 'range') return [to.low, to.high];
  return to.kind === 'netmap' ? [to.address, to.mask] : [[], []];
}

const four = (words: Words): number[] => [0, 1, 2, 3].map((index) => words[index] ?? 0);
