/** One case: a rule set, a capture, a host, a profile; all of it from one seed. */
import { type WrittenFrame, writePcap } from '../capture/writer.ts';
import type { RuleError } from '../model/errors.ts';
import type { Host } from '../model/host.ts';
import { buildHost } from '../model/host-build.ts';
import type { Profile } from '../model/profile.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import { parseSaveAll } from '../syntax/index.ts';
import { ethernetFrame } from './build-packet.ts';
import { type SeededDraw, seededDraw } from './draw.ts';
import { type FuzzPacket, Traffic, type TrafficFeatures } from './packets.ts';
import { LOCAL } from './pools.ts';
import { drawFeatures, generateRules } from './rules.ts';

export interface FuzzCase {
  seed: number;
  family: Family;
  /** As generated, less the lines our parser refuses (their errors are in `refused`). */
  rules: string;
  refused: RuleError[];
  ruleset: RuleSet;
  traffic: TrafficFeatures;
  packets: FuzzPacket[];
  host: Host;
  profile: Profile;
}

export interface CaseOptions {
  packets: number;
  family?: Family;
  backend?: 'legacy' | 'nft';
  /** Only these extensions. */
  only?: readonly string[];
  /** What the kernel can be asked at top speed: no pauses, nothing it cannot be sent. */
  forKernel?: boolean;
}

/** limit needs the capture's clock (the virtual-clock kernel will have it); NFLOG's records and those of the trace get into each other's way. */
const NOT_FOR_THE_KERNEL = ['limit', 'NFLOG'];

const DEVICE_MAC = '02:00:00:00:00:01';
const GROUP_MACS = { host: DEVICE_MAC, broadcast: 'ff:ff:ff:ff:ff:ff', multicast: '01:00:5e:00:00:01' };

/** The case of a seed. */
export function makeCase(seed: number, options: CaseOptions): FuzzCase {
  const draw = seededDraw(seed);
  const family = options.family ?? draw.pick([4, 4, 6] as const);
  const { rules, refused, ruleset } = legalRules(draw, family, options);
  const traffic: TrafficFeatures = {
    topology: draw.pick(['host', 'forward'] as const),
    fragments: options.forKernel !== true && draw.chance(0.4),
    damage: draw.chance(0.5),
    options: draw.chance(0.4),
    unsendable: options.forKernel !== true,
    pause: options.forKernel === true ? 0 : draw.pick([0, 0, 1, 40, 200]),
  };
  const source = new Traffic(draw, family, traffic);
  const packets = Array.from({ length: options.packets }, () => source.next());
  const host =
    traffic.topology === 'forward'
      ? buildHost({ forward: true, in: 'eth0', out: 'eth1' })
      : buildHost({ local: [LOCAL[family]], in: 'eth0' });
  const backend = options.backend ?? draw.pick(['legacy', 'nft'] as const);
  const profile: Profile = {
    backend,
    kernel: '6.18',
    hz: 250,
    prestack: options.forKernel === true ? 'kernel' : draw.pick(['kernel', 'kernel', 'lenient'] as const),
    sysctls: {},
  };
  return { seed, family, rules, refused, ruleset, traffic, packets, host, profile };
}

/** Lines that are refused are taken out, one at a time: a generator that errs costs a rule, not a case. */
function legalRules(draw: SeededDraw, family: Family, options: CaseOptions): Pick<FuzzCase, 'rules' | 'refused' | 'ruleset'> {
  const refused: RuleError[] = [];
  const lines = generateRules(
    draw,
    family,
    drawFeatures(draw, options.only, options.forKernel === true ? NOT_FOR_THE_KERNEL : []),
  ).split('\n');
  for (;;) {
    const rules = lines.join('\n');
    const { ruleset, errors } = parseSaveAll(rules, { file: `seed-${draw.seed}`, family });
    if (ruleset !== undefined) return { rules, refused, ruleset };
    refused.push(...errors);
    const bad = new Set(errors.map((error) => error.position.line - 1).filter((line) => /^-A /.test(lines[line] ?? '')));
    if (bad.size === 0) throw errors[0] ?? new Error('no rule set and no error');
    for (const line of [...bad].sort((a, b) => b - a)) lines.splice(line, 1);
  }
}

/** The length the IP header claims: padding must not fill up what is missing. */
function announced(bytes: Uint8Array, family: Family): number {
  const at = family === 4 ? 2 : 4;
  return bytes[at]! * 256 + bytes[at + 1]! + (family === 4 ? 0 : 40);
}

/** The packets as a pcap file of Ethernet frames, as the firewall's device would have captured them. */
export function captureOf(packets: readonly FuzzPacket[], linktype: 1 | 101 = 1): Uint8Array {
  const frames: WrittenFrame[] = packets.map(({ time, bytes, family, direction, kind, sourceMac }) => {
    if (linktype === 101) return { time, bytes };
    const [to, from] = direction === 'out' ? [sourceMac, DEVICE_MAC] : [GROUP_MACS[kind], sourceMac];
    return {
      time,
      bytes: ethernetFrame(to, from, family, bytes, bytes.length % 2 === 0 && announced(bytes, family) <= bytes.length),
    };
  });
  return writePcap(frames, linktype);
}
