/** From rule sets to an image: the list of passes. */
import {
  CT_ZONE_ORIGINAL,
  CT_ZONE_REPLY,
  EFFECT_PREFIX,
  EFFECT_TCPMSS,
  EFFECT_TPROXY,
  EFFECT_TTL,
  MSS_CLAMP,
} from '../abi/effects.ts';
import { HELPER_NONE } from '../abi/helpers.ts';
import * as abi from '../abi/image.ts';
import {
  SPECIAL_CLUSTER,
  SPECIAL_CONNBYTES,
  SPECIAL_CONNLABEL,
  SPECIAL_CONNLIMIT,
  SPECIAL_REVERSE_PATH,
} from '../abi/special.ts';
import { changedSets, checkSets } from '../extensions/ipset-there.ts';
import { checkLoadedBefore } from '../extensions/loaded-before.ts';
import type { Annotations } from '../model/annotations.ts';
import type { Fingerprint } from '../model/fingerprints.ts';
import { helperNote } from '../model/helpers.ts';
import type { Host } from '../model/host.ts';
import type { IpSet } from '../model/ipset.ts';
import type { LogRequest } from '../model/log.ts';
import { deviceOfSysctl, type Profile } from '../model/profile.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import { encodeConntrack } from './conntrack.ts';
import { Facts } from './facts.ts';
import { encodeHost } from './host.ts';
import { assembleImage } from './image.ts';
import { buildInterfaces, type InterfaceTable } from './interfaces.ts';
import { needsConntrack, normalise, wantsWholePackets } from './normalise.ts';
import { withChangingTypes } from './packet-type.ts';
import type { PlainTable } from './plain.ts';
import type { KnownSearches } from './search/known.ts';
import { encodeSets, interfacesOf } from './sets.ts';
import { share } from './share.ts';
import { Sample, type Traffic } from './traffic.ts';
import { compileWalks, type WalkName } from './walks.ts';

export interface CompileInput {
  rules: Partial<Record<Family, RuleSet>>;
  host: Host;
  profile: Profile;
  annotations?: Annotations;
  /** Sets of ipset that rules ask. */
  sets?: readonly IpSet[];
  /** What systems send, for `osf`. */
  fingerprints?: readonly Fingerprint[];
  /** `logs`: LOG rules write packets down. */
  packets?: { logs?: boolean };
}

export interface CompileOptions {
  /** false: no tree, rules one by one. */
  tree?: boolean;
  /** Scales the budget of the tree; 1 is the usual one. */
  effort?: number;
  /** So many rules in a row that only test fields, or values that they list, are searched; 64 when not given. */
  searched?: number;
  /** Kept from one compile to the next of nearly the same rules, so that trees are grown anew only where rules have changed. */
  known?: KnownSearches;
  /** Packets like those to come: the tree is cut for them. What becomes of packets does not depend on it. */
  traffic?: Traffic;
}

export interface CompileStatistics {
  nodes: number;
  leaves: number;
  /** Most undecided steps in a leaf. */
  worstLeaf: number;
  imageBytes: number;
  segments: number;
  steps: number;
  fallbacks: number;
  /** Units of the compiler's work, the same on every machine. */
  work: number;
  compileMs: number;
}

export interface Image {
  bytes: Uint8Array;
  notes: string[];
  statistics: CompileStatistics;
}

/**
 * Compiles the rule sets of a host for the engine. Throws RuleError for extensions that are not known, WalkError for chains that are not there.
 */
export function compile(input: CompileInput, options: CompileOptions = {}): Image {
  // Not performance.now: Node loads its module when it is first asked for, which takes longer than small rule sets.
  const started = Date.now();
  const rulesets = ([4, 6] as const).flatMap((family) => input.rules[family] ?? []);
  const inSets = interfacesOf(input.sets ?? []);
  const interfaces = buildInterfaces(
    [...interfacePatterns(rulesets), ...inSets.patterns],
    [...interfaceNames(input.host, input.profile), ...inSets.names],
  );
  const logs: LogRequest[] = [];
  const { profile, sets = [], annotations, fingerprints, packets } = input;
  for (const rules of rulesets) checkSets(rules, sets);
  checkLoadedBefore(rulesets, profile.backend);
  const context = {
    profile,
    interfaces,
    sets: sets.map(({ name }) => name),
    ...(annotations && { annotations }),
    ...(fingerprints && { fingerprints }),
    ...(packets?.logs && { logs: numbered(logs) }),
    ...(input.host.proxies && { proxies: input.host.proxies }),
  };
  const tables = withChangingTypes(
    share(
      rulesets.flatMap((rules) => normalise(rules, context)),
      profile.backend,
    ),
  );
  return compileTables(tables, { rulesets, interfaces, logs }, input, options, started);
}

const numbered =
  (logs: LogRequest[]) =>
  (request: LogRequest): number =>
    logs.push(request) - 1;

function compileTables(
  tables: readonly PlainTable[],
  { rulesets, interfaces, logs }: { rulesets: readonly RuleSet[]; interfaces: InterfaceTable; logs: readonly LogRequest[] },
  { host, profile, sets = [] }: CompileInput,
  options: CompileOptions,
  started: number,
): Image {
  const sample = options.traffic === undefined ? undefined : Sample.of(options.traffic);
  const walks = compileWalks(tables, {
    tree: options.tree ?? true,
    effort: options.effort ?? 1,
    tracesDrops: profile.backend === 'nft',
    ...(options.searched !== undefined && { searched: options.searched }),
    ...(options.known !== undefined && { known: options.known }),
    ...(sample !== undefined && { sampleAt: (family: Family, hook: WalkName['hook']) => sample.at(family, hook, host) }),
  });
  const notes = [...walks.notes, ...rulesets.flatMap((rules) => helperNote(rules) ?? [])];
  const { final, visible } = walks.segments.order();
  const facts = new Facts(tables);
  const helpers = facts.someTemplate(({ parameters }) => parameters[2] !== HELPER_NONE);
  const nat = rulesets.some((rules) => needsConntrack(rules) && rules.tables.some(({ name }) => name === 'nat'));
  const bytes = assembleImage({
    code: walks.code.finish(final),
    segments: walks.segments,
    final,
    visible,
    ropes: walks.ropes,
    names: { tables: tableNames(tables), notes, logs, kept: walks.kept },
    host: encodeHost(host, profile, interfaces, {
      addressTypes: facts.readsAddressTypes,
      reversePaths: facts.special(SPECIAL_REVERSE_PATH) > 0,
      clamps: facts.someEffect(({ code, parameters }) => code === EFFECT_TCPMSS && parameters[0] === MSS_CLAMP),
      neighbours: nat || helpers,
    }),
    conntrack: encodeConntrack(profile, {
      nat,
      accounting: facts.special(SPECIAL_CONNBYTES) > 0,
      labels: facts.special(SPECIAL_CONNLABEL) > 0,
      helpers,
      masters: helpers && facts.special(SPECIAL_CLUSTER) > 0,
      zonesOfOne: facts.someTemplate(({ parameters }) => isOfOne(parameters[1]!)),
      counted: facts.special(SPECIAL_CONNLIMIT),
    }),
    interfaces: interfaces.encode(),
    sets: encodeSets(sets, profile.hz, changedSets(rulesets, sets), interfaces),
    states: walks.states,
    stack: walks.stack,
    flags: flagsOf(rulesets) | (host.localMark !== undefined || turnsPackets(facts) ? abi.IMAGE_FLAG_TURNS : 0),
    hz: profile.hz,
  });
  return {
    bytes,
    notes,
    statistics: {
      nodes: walks.code.nodes,
      leaves: walks.leaves,
      worstLeaf: walks.worstLeaf,
      imageBytes: bytes.length,
      segments: final.length,
      steps: walks.code.steps,
      fallbacks: walks.fallbacks,
      work: walks.work,
      compileMs: Date.now() - started,
    },
  };
}

function flagsOf(rulesets: readonly RuleSet[]): number {
  let flags = 0;
  for (const rules of rulesets) {
    flags |= rules.family === 4 ? abi.IMAGE_FLAG_FAMILY4 : abi.IMAGE_FLAG_FAMILY6;
    const tracks = needsConntrack(rules);
    if (tracks) flags |= rules.family === 4 ? abi.IMAGE_FLAG_CONNTRACK4 : abi.IMAGE_FLAG_CONNTRACK6;
    if (tracks || wantsWholePackets(rules)) flags |= rules.family === 4 ? abi.IMAGE_FLAG_DEFRAGMENT4 : abi.IMAGE_FLAG_DEFRAGMENT6;
  }
  return flags;
}

function tableNames(tables: readonly PlainTable[]): {
  family: Family;
  name: string;
  first: number;
  chains: { name: string; policy: 'ACCEPT' | 'DROP' | null; rules: number }[];
}[] {
  let first = 0;
  return tables.map((table) => {
    const named = {
      family: table.family,
      name: table.name,
      first,
      chains: table.chains.map((chain) => ({ name: chain.name, policy: chain.policy, rules: chain.rules.length })),
    };
    first += table.chains.length;
    return named;
  });
}

function interfacePatterns(rulesets: readonly RuleSet[]): string[] {
  const patterns = new Set<string>();
  for (const { tables } of rulesets) {
    for (const { chains } of tables) {
      for (const { rules } of chains) {
        for (const { builtin } of rules) {
          if (builtin.inInterface !== undefined) patterns.add(builtin.inInterface.pattern);
          if (builtin.outInterface !== undefined) patterns.add(builtin.outInterface.pattern);
        }
      }
    }
  }
  return [...patterns];
}

function interfaceNames(host: Host, profile: Profile): string[] {
  const names = new Set(['lo', 'eth0']);
  for (const each of host.interfaces) names.add(each.name);
  for (const route of host.routes) if (route.device !== undefined) names.add(route.device);
  if (host.in !== undefined) names.add(host.in);
  if (host.out !== undefined) names.add(host.out);
  for (const name of Object.keys(profile.sysctls)) {
    const device = deviceOfSysctl(name);
    if (device !== undefined) names.add(device);
  }
  return [...names];
}

/** Flags of a zone (CT_ZONE_*) that one direction alone is in. */
const isOfOne = (flags: number): boolean => ((flags & CT_ZONE_ORIGINAL) === 0) !== ((flags & CT_ZONE_REPLY) === 0);

/** Whether a rule changes what the routing decision looks at. */
function turnsPackets(facts: Facts): boolean {
  const turning = [EFFECT_TTL, EFFECT_PREFIX, EFFECT_TPROXY];
  return facts.special(SPECIAL_CLUSTER) > 0 || facts.someEffect(({ code }) => turning.includes(code));
}
