/** What LOG rules print, for random packets and for some of our own: every byte of every line against the logs of kernels that may be read (the virtual ones). */
import { expect, test } from 'vitest';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf, type FuzzCase, withRules } from '../../src/fuzz/case.ts';
import { ask, jobOf } from '../../src/fuzz/differential.ts';
import { kernelJob } from '../../src/fuzz/kernels.ts';
import { frameOf } from '../../src/fuzz/links.ts';
import type { FuzzPacket } from '../../src/fuzz/packets.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { machineOf, type PrintedLine, runVirtual, type VirtualJob, type VirtualKernel } from '../../src/kernel/virtual/index.ts';
import { logText } from '../../src/report/log-line.ts';
import { SEED } from '../seed.ts';
import { describeVirtual } from './machine.ts';
import { ip } from './packets.ts';

const CASES = 24;
const PACKETS = 60;

/** What some lines must hold, or the packets were too plain. */
const MET = [
  ...['MAC=', 'MACSRC=', 'MARK=0xfedcba98', 'DF ', 'MF ', 'FRAG:', 'OPT (', 'TOS=0x18', 'HOPLIMIT=', 'FLOWLBL='],
  ...['PROTO=TCP', 'PROTO=UDP ', 'PROTO=UDPLITE', 'PROTO=ICMP ', 'PROTO=ICMPv6', 'PROTO=47', 'ID=', 'SEQ=', 'INCOMPLETE ['],
  ...['[SRC=', 'GATEWAY=', 'MTU=', 'PARAMETER=', 'POINTER=', 'URG ', 'ECE ', 'OPT ( ', 'TRUNCATED', 'SPI=0x', 'OUT=eth1'],
];

const ALL = '--log-tcp-sequence --log-tcp-options --log-ip-options --log-uid';

const table = (name: string, chains: readonly string[], rules: readonly string[]): string =>
  [`*${name}`, ...chains.map((chain) => `:${chain} ACCEPT`), ...rules, 'COMMIT', ''].join('\n');

const EVERYWHERE = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

/** Rules that log all of a packet's way, with all options, behind what changes it. */
const RULES: readonly string[] = [
  table(
    'mangle',
    EVERYWHERE,
    EVERYWHERE.map((chain) => `-A ${chain} -j LOG --log-prefix "${chain} " ${ALL}`),
  ),
  table('mangle', EVERYWHERE, [
    '-A PREROUTING -j LOG --log-level 7 --log-macdecode',
    '-A PREROUTING -j MARK --set-mark 0xfedcba98',
    '-A FORWARD -j TOS --set-tos 0xb8',
    '-A FORWARD -j LOG --log-prefix "12345678901234567890123456789" --log-level emerg',
    '-A OUTPUT -j MARK --set-mark 1',
    '-A OUTPUT -p tcp -j LOG --log-tcp-options',
    '-A POSTROUTING -j LOG --log-ip-options --log-macdecode',
  ]),
  table(
    'filter',
    ['INPUT', 'FORWARD', 'OUTPUT'],
    ['INPUT', 'FORWARD', 'OUTPUT'].flatMap((chain) => [
      `-A ${chain} -m conntrack --ctstate NEW -j LOG --log-prefix "new:" ${ALL}`,
      `-A ${chain} -m conntrack --ctstate RELATED -j LOG --log-prefix "related: " --log-level 1 ${ALL}`,
      `-A ${chain} -m conntrack --ctstate INVALID -j LOG --log-prefix "invalid, " --log-level 0 ${ALL}`,
    ]),
  ),
];

/** Fragments, in the manner of the last packet, for cases whose packets are forwarded; only the first begins with a transport header. */
function fragmentsFor({ family, host, packets }: FuzzCase): FuzzPacket[] {
  const last = packets.at(-1)!;
  if (host.forward !== true) return [];
  const part = (offset: number, more: number): Uint8Array => {
    const bytes = Buffer.alloc(24, offset);
    if (family === 4) return ip('198.51.100.7', '192.0.2.9', 17, bytes, -1, { fragment: (more << 13) | offset });
    return ip(
      '2001:db8:5::7',
      '2001:db8:6::9',
      44,
      Buffer.concat([Buffer.from([17, 0, 0, (offset << 3) | more, 1, 2, 3, 4]), bytes]),
      -1,
    );
  };
  return [part(0, 1), part(3, 1), part(6, 0)].map((bytes, i) => ({
    ...last,
    bytes,
    time: last.time + BigInt(i + 1) * 1_000_000n,
  }));
}

/** The stack writes addresses and times into IPv4 options 7 and 68 behind PREROUTING, and we do not. */
const isWrittenInto = (bytes: Uint8Array, family: 4 | 6): boolean =>
  family === 4 && bytes.subarray(20, (bytes[0]! & 15) * 4).some((byte) => byte === 7 || byte === 68);

/** A case as a job for the kernel, every frame with the destination MAC it has in the capture. */
function logJob(fuzzCase: FuzzCase, backend: 'legacy' | 'nft'): VirtualJob {
  const { job, numbers } = kernelJob(fuzzCase, backend);
  const frames = job.frames.map((frame, i) => {
    const header = frameOf(fuzzCase.packets[numbers[i]! - 1]!, fuzzCase.link);
    return { ...frame, dstMac: Array.from(header.subarray(0, 6), (byte) => byte.toString(16).padStart(2, '0')).join(':') };
  });
  return { ...job, frames, trace: false, log: true };
}

/** What a program says the rules print. */
async function linesOf(program: keyof typeof PROGRAMS, fuzzCase: FuzzCase): Promise<PrintedLine[]> {
  const { packets } = await ask(PROGRAMS[program]!, jobOf(fuzzCase), captureOf(fuzzCase));
  return packets.flatMap(({ logged = [] }) =>
    logged.map((one) => ({ level: one.request.level, text: logText(one, fuzzCase.profile.kernel) })),
  );
}

const KERNELS: readonly [VirtualKernel, 'legacy' | 'nft'][] = [
  ['6.1', 'legacy'],
  ['6.12', 'legacy'],
  ['6.12', 'nft'],
];

for (const [version, backend] of KERNELS) {
  describeVirtual(version, `lines of LOG, ${backend}`, () => {
    test(`are those of the kernel (seed ${SEED})`, { timeout: 300_000 }, async () => {
      const kernel = { kernel: version, hz: machineOf(version).hz };
      const options = { packets: PACKETS, judge: 'virtual', backend, kernel, only: ['tcp', 'udp', 'icmp', 'icmp6'] } as const;
      const cases = casesOf(options, SEED, CASES).map((one, i) => {
        const packets = one.packets.filter(({ bytes }) => !isWrittenInto(bytes, one.family));
        return withRules({ ...one, packets: [...packets, ...fragmentsFor(one)] }, RULES[i % RULES.length]!);
      });
      const jobs = cases.map((one) => logJob(one, backend));
      const outcomes = await runVirtual(version, jobs);
      const wrong: string[] = [];
      const all: string[] = [];
      for (const [i, outcome] of outcomes.entries()) {
        expect(outcome.refused, cases[i]!.rules).toBeUndefined();
        const packets = outcome.packets.flatMap((packet, k) =>
          packet.unsent === undefined ? [{ ...cases[i]!.packets[k]!, time: packet.injected }] : [],
        );
        const sent = { ...cases[i]!, packets };
        // The bench's socket is root's, of which a capture tells nothing.
        const printed = (outcome.log ?? []).map(({ level, text }) => ({ level, text: text.replace(/ UID=0 GID=0 /, ' ') }));
        all.push(...printed.map(({ text }) => text));
        for (const program of ['reference', 'engine'] as const) {
          const said = await linesOf(program, sent);
          const at = Array.from({ length: Math.max(said.length, printed.length) }, (_, k) => k).find(
            (k) => said[k]?.level !== printed[k]?.level || said[k]?.text !== printed[k]?.text,
          );
          if (at !== undefined)
            wrong.push(`case ${i}, ${program}, line ${at}: ${JSON.stringify(said[at])}\n  kernel ${JSON.stringify(printed[at])}`);
        }
      }
      expect(wrong.slice(0, 6)).toEqual([]);
      expect(all.length).toBeGreaterThan(CASES * PACKETS);
      // The packets had what there is to print.
      expect(MET.filter((words) => !all.some((line) => line.includes(words)))).toEqual([]);
    });
  });
}
