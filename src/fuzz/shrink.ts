/** Smaller cases, by steps of the domain. Each is read anew, so that all of them are legal. */
import { buildHost } from '../model/host-build.ts';
import { parseSaveAll } from '../syntax/index.ts';
import type { FuzzCase } from './case.ts';
import { plainHost } from './hosts.ts';
import { ETHERNET } from './links.ts';
import { simplerPacket, unpaused } from './shrink-packets.ts';
import { simplerRule, withoutChain, withoutRules, withoutStretch, withoutTable } from './shrink-rules.ts';

type Step = (fuzzCase: FuzzCase) => Iterable<FuzzCase>;

const byRules =
  (step: (rules: string) => Iterable<string>): Step =>
  (fuzzCase) =>
    withRules(fuzzCase, step(fuzzCase.rules));

/** What can be tried, the steps that take away most first. */
const STEPS: readonly Step[] = [
  fewerPackets,
  byRules(withoutTable),
  byRules(withoutChain),
  byRules(withoutRules),
  byRules(simplerRule),
  plainer,
  simplerPackets,
];

export interface Smaller {
  fuzzCase: FuzzCase;
  /** The step that made it: where to go on from it. */
  step: number;
}

/** Every smaller case, from step `first` on and around. */
export function* smaller(fuzzCase: FuzzCase, first = 0): Generator<Smaller> {
  for (let turn = 0; turn < STEPS.length; turn++) {
    const step = (first + turn) % STEPS.length;
    for (const one of STEPS[step]!(fuzzCase)) yield { fuzzCase: one, step };
  }
}

function* withRules(fuzzCase: FuzzCase, texts: Iterable<string>): Generator<FuzzCase> {
  const { family } = fuzzCase;
  for (const rules of texts) {
    if (rules === fuzzCase.rules) continue;
    const { ruleset } = parseSaveAll(rules, { file: `rules.v${family}`, family });
    if (ruleset !== undefined) yield { ...fuzzCase, rules, ruleset };
  }
}

function* fewerPackets(fuzzCase: FuzzCase): Generator<FuzzCase> {
  if (fuzzCase.packets.length < 2) return;
  for (const packets of withoutStretch(fuzzCase.packets)) yield { ...fuzzCase, packets };
}

/** Without pauses, and under the kernel's own rules for what enters the stack. */
function* plainer(fuzzCase: FuzzCase): Generator<FuzzCase> {
  const packets = unpaused(fuzzCase.packets);
  if (packets.some(({ time }, index) => time !== fuzzCase.packets[index]!.time)) yield { ...fuzzCase, packets };
  const host = plainHost(fuzzCase.host.forward ? 'forward' : 'host', fuzzCase.family);
  if (fuzzCase.given.addresses !== undefined) yield { ...fuzzCase, given: host, host: buildHost(host) };
  if (fuzzCase.link !== ETHERNET) yield { ...fuzzCase, link: ETHERNET };
  const { sysctls } = fuzzCase.profile;
  for (const name of Object.keys(sysctls)) {
    const { [name]: _without, ...rest } = sysctls;
    yield { ...fuzzCase, profile: { ...fuzzCase.profile, sysctls: rest } };
  }
  const { checksums, ...asked } = fuzzCase.profile;
  if (checksums !== undefined) yield { ...fuzzCase, profile: asked };
  if (fuzzCase.profile.prestack === 'lenient') yield { ...fuzzCase, profile: { ...fuzzCase.profile, prestack: 'kernel' } };
}

function* simplerPackets(fuzzCase: FuzzCase): Generator<FuzzCase> {
  for (const [index, packet] of fuzzCase.packets.entries())
    for (const simpler of simplerPacket(packet)) yield { ...fuzzCase, packets: fuzzCase.packets.with(index, simpler) };
}
