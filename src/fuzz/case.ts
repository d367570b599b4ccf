/** One case: a rule set, packets, a host, a profile. */
import { writePcap } from '../capture/writer.ts';
import type { Draw } from '../extensions/extension.ts';
import { extensions } from '../extensions/index.ts';
import { checkLoadedBefore } from '../extensions/loaded-before.ts';
import { RuleError } from '../model/errors.ts';
import { assignedHelpers, notRewritten } from '../model/helpers.ts';
import type { Host } from '../model/host.ts';
import { buildHost, type HostGiven } from '../model/host-build.ts';
import type { Profile } from '../model/profile.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import { parseSave, parseSaveAll } from '../syntax/index.ts';
import { withAnswers } from './answers.ts';
import { boundariesOf } from './boundaries.ts';
import { drawFeatures, type Judge, type RuleFeatures, WITHOUT } from './features.ts';
import { drawHost, drawSysctls, networkedHost, plainHost, withProxies } from './hosts.ts';
import { ETHERNET, frameOf, LINKS, type Link } from './links.ts';
import { type FuzzPacket, Traffic, type TrafficFeatures } from './packets.ts';
import { DCCP } from './rare-transport.ts';
import { generateRules } from './rules.ts';
import { withStackAnswers } from './stack-answers.ts';
import { BROADCAST } from './talk.ts';
import { withUnfinished } from './unfinished.ts';

export interface FuzzCase {
  family: Family;
  /** iptables-save text, less the lines our parser refused. */
  rules: string;
  /** `rules`, read. */
  ruleset: RuleSet;
  /** What the generator wrote and our parser refused: a generator that errs costs a rule, not a case. */
  refused: RuleError[];
  packets: FuzzPacket[];
  /** Of the capture they are in. */
  link: Link;
  /** The host as flags, and as the model. */
  given: HostGiven;
  host: Host;
  profile: Profile;
}

export interface CaseOptions {
  packets: number;
  judge: Judge;
  family?: Family;
  backend?: Profile['backend'];
  /** Default 6.18 at 250 Hz. */
  kernel?: Pick<Profile, 'kernel' | 'hz'>;
  /** Rules that the kernel does not take, and that are left out. */
  lacks?: RegExp;
  /** Only these extensions. */
  only?: readonly string[];
  /** The host answers nothing of its own accord: its rules, or its host, will be replaced by others. */
  silent?: boolean;
}

/** The hooks packets meet. */
const HOOKS: Record<TrafficFeatures['topology'], readonly string[]> = {
  host: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  forward: ['PREROUTING', 'FORWARD', 'POSTROUTING'],
};

/** What keeps time is in every rule set for a kernel that lives in the capture's. */
const EVERYWHERE: Record<Judge, readonly string[]> = { software: [], kernel: [], virtual: ['limit', 'conntrack'] };

/**
 * What kernels on the capture's clock are not asked about unless a run says so (--only): helpers, whose expectations outlive a connection whose time is over until the collector comes; DCCP, which
 * older kernels track; control groups and processors of the guest, which are none of the case's; sets with bitmasks, which the ipset of 6.1 has not. The reasons stand in docs/kernel-differences.md.
 */
const OFF_THE_CLOCK: readonly string[] = ['CT', 'helper', 'dccp', 'cgroup', 'cpu', 'set', 'SET'];

const onTheClock = (): string[] => extensions.map(({ name }) => name).filter((name) => !OFF_THE_CLOCK.includes(name));

/** The bench of the running kernel sends no redirects, so that sources are not looked at where a packet leaves where it came in. */
const SILENT: Profile['sysctls'] = { 'net.ipv4.conf.all.send_redirects': 0, 'net.ipv4.conf.default.send_redirects': 0 };

/** A random case. */
export function generateCase(draw: Draw, options: CaseOptions): FuzzCase {
  const family = options.family ?? draw.pick([4, 4, 6] as const);
  const software = options.judge === 'software';
  const profile: Profile = {
    backend: options.backend ?? draw.pick(['legacy', 'nft'] as const),
    kernel: software ? draw.pick(['6.18', '6.18', '6.12', '6.1']) : '6.18',
    hz: software ? draw.pick([250, 250, 100, 1000]) : 250,
    ...options.kernel,
    prestack: software ? draw.pick(['kernel', 'kernel', 'lenient'] as const) : 'kernel',
    sysctls: software ? drawSysctls(draw) : options.judge === 'kernel' ? SILENT : {},
  };
  const topology = draw.pick(['host', 'forward'] as const);
  // The bench sends the host's packets by a socket of root's, of which a capture tells nothing; as a router it has one way for all answers, where a replay knows none.
  const without = [...WITHOUT[options.judge], ...(software ? [] : topology === 'forward' ? ['rpfilter'] : ['owner', 'cgroup'])];
  const only = options.only ?? (options.judge === 'virtual' ? onTheClock() : undefined);
  const features = drawFeatures(draw, family, only, without, EVERYWHERE[options.judge], topology);
  const written = generateRules(draw, family, features, HOOKS[topology], options.judge);
  const { rules, refused, ruleset } = legalRules(takenBy(written, options.lacks), family, profile.backend);
  const edges = boundariesOf(ruleset, profile);
  // Older kernels know ports and states of DCCP (docs/kernel-differences.md).
  const protocols = options.judge === 'virtual' ? features.protocols.filter((protocol) => protocol !== DCCP) : features.protocols;
  const traffic = drawTraffic(draw, options.judge, topology, ruleset, { ...features, protocols });
  if (edges.bytes.kinds.length > 0) traffic.options = Math.max(traffic.options, 0.5);
  const source = new Traffic(draw, family, traffic, edges);
  const packets = Array.from({ length: options.packets }, () => source.next());
  const broadcasts = family === 4 && topology === 'host' && traffic.helpers.some((name) => BROADCAST.includes(name));
  // On a host with devices of its own half of what is said is for another.
  const plain = !software || (traffic.helpers.length > 0 && draw.chance(0.8));
  const drawn = plain ? plainHost(topology, family) : drawHost(draw, topology, family);
  const told = broadcasts ? networkedHost() : drawn;
  const given = software && /-j TPROXY/.test(rules) && draw.chance(0.9) ? withProxies(draw, told) : told;
  const link = software && draw.chance(0.3) ? draw.pick(LINKS) : ETHERNET;
  const made: FuzzCase = { family, rules, refused, ruleset, packets, link, given, host: buildHost(given), profile };
  // Behind everything else: what was drawn before stays what it was.
  const answered = { ...made, packets: withAnswers(draw, made, options.judge) };
  const whole = options.silent ? answered : withStackAnswers(draw, answered, options.judge);
  return withUnfinished(draw, whole, options.judge);
}

/** Seconds. */
const PAUSES: Record<Judge, readonly number[]> = {
  software: [0, 0, 1, 40, 200, 4000, 500_000],
  kernel: [0],
  virtual: [1, 40, 200, 200, 4000, 4000],
};

/** Swarm style: what this case's packets may be. */
function drawTraffic(
  draw: Draw,
  judge: Judge,
  topology: TrafficFeatures['topology'],
  ruleset: RuleSet,
  { protocols, gentle, talks }: Pick<RuleFeatures, 'protocols' | 'gentle' | 'talks'>,
): TrafficFeatures {
  const software = judge === 'software';
  // What is not rewritten yet differs from every kernel that does it.
  const silent = notRewritten(ruleset);
  const helpers = assignedHelpers(ruleset).filter((name) => !silent.includes(name));
  const plain = {
    fragments: 0,
    damage: false,
    options: 0,
    errors: 0,
    strangers: 0,
    flows: draw.pick([1, 2]),
    fresh: 0.03,
    pause: 0,
  };
  return {
    topology,
    gentle,
    talks,
    fragments: gentle ? 0 : draw.pick([0, 0, 0.1, 0.4]),
    damage: !gentle && draw.chance(0.6),
    options: draw.pick([0, 0, 0, 0.05, 0.4]),
    errors: draw.pick(helpers.length > 0 ? [0.02, 0.06] : [0.02, 0.06, 0.25]),
    strangers: software && !gentle ? draw.pick([0, 0, 0.03, 0.2]) : 0,
    unsendable: software,
    protocols,
    helpers,
    flows: draw.pick(helpers.length > 0 ? [1, 2] : gentle ? [1, 2, 4] : [1, 2, 4, 12]),
    fresh: draw.pick(helpers.length > 0 ? [0.02, 0.05] : [0.03, 0.15]),
    wheel: !software,
    // Nobody talks to the end where hours lie between two words.
    pause: draw.pick(helpers.length > 0 && draw.chance(0.7) ? PAUSES[judge].slice(0, 2) : PAUSES[judge]),
    ...(talks && plain),
  };
}

const takenBy = (rules: string, lacks: RegExp | undefined): string =>
  lacks === undefined
    ? rules
    : rules
        .split('\n')
        .filter((line) => !lacks.test(line))
        .join('\n');

/** Reads rules; lines that are refused are taken out until the rest is legal. */
function legalRules(
  written: string,
  family: Family,
  backend: Profile['backend'],
): Pick<FuzzCase, 'rules' | 'refused' | 'ruleset'> {
  const refused: RuleError[] = [];
  const lines = written.split('\n');
  for (;;) {
    const rules = lines.join('\n');
    const { ruleset, errors } = parseSaveAll(rules, { file: `rules.v${family}`, family });
    if (ruleset !== undefined) errors.push(...loadedWrongly(ruleset, backend));
    if (ruleset !== undefined && errors.length === 0) return { rules, refused, ruleset };
    refused.push(...errors);
    const bad = new Set(errors.map((error) => error.position.line - 1).filter((line) => /^-A /.test(lines[line] ?? '')));
    if (bad.size === 0) throw errors[0] ?? new Error('no rule set and no error');
    for (const line of [...bad].sort((a, b) => b - a)) lines.splice(line, 1);
  }
}

/** The first rule that cannot be loaded behind those before it. */
function loadedWrongly(ruleset: RuleSet, backend: Profile['backend']): RuleError[] {
  try {
    checkLoadedBefore([ruleset], backend);
    return [];
  } catch (error) {
    if (error instanceof RuleError) return [error];
    throw error;
  }
}

/** The packets as a pcap file of one link type. */
export function captureOf({ packets, link }: Pick<FuzzCase, 'packets' | 'link'>): Uint8Array {
  return writePcap(
    packets.map((packet) => ({ time: packet.time, bytes: frameOf(packet, link) })),
    link,
  );
}

/** The same packets and host with other rules. */
export const withRules = (fuzzCase: FuzzCase, rules: string): FuzzCase => ({
  ...fuzzCase,
  rules,
  ruleset: parseSave(rules, { file: 'rules', family: fuzzCase.family }),
});
