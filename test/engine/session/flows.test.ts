/** Where nothing tracks connections: packets of flows whose way is kept are judged without being decoded (assembly/flows.ts), and what is not alike about them is seen all the same. */
import { expect, test } from 'vitest';
import { datagrams } from '../../../bench/recast.ts';
import { tcpTraffic } from '../../../bench/traffic.ts';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, FLOWS, PACKETS, packetsOf } from './unusual.ts';

const HOST: HostGiven = { local: ['10.1.2.3'], in: 'eth0' };
const ROUTER: HostGiven = { forward: true, in: 'eth0', out: 'eth1' };

/** What packets of one flow have in common, and what they need not. */
const ALIKE = [
  '-p tcp -m tcp --dport 80',
  '-p tcp -m multiport --dports 22,443',
  '-p udp -m udp --dport 53',
  '-s 11.0.0.0/31',
  '-d 11.0.0.2',
  '-p tcp -m tcp --tcp-flags SYN,RST SYN',
  '-m pkttype --pkt-type multicast',
];
const OF_ONE = [
  '-m ttl --ttl-lt 60',
  '-m length --length 60:',
  '-m tos --tos 0x10/0xff',
  '-p tcp -m tcp --tcp-flags PSH PSH',
  '-m limit --limit 2000/sec --limit-burst 2',
  '-m mac --mac-source 02:00:00:00:00:02',
];
const TARGETS = ['', '', '-j DROP', '-j ACCEPT', '-j REJECT', '-p tcp -j REJECT --reject-with tcp-reset'];

type Draw = (below: number) => number;

function rulesOf(draw: Draw): string {
  const odd = draw(3) > 0;
  const rule = (hook: string): string => {
    const asked = odd && draw(4) === 0 ? OF_ONE[draw(hook === 'OUTPUT' ? 5 : 6)]! : ALIKE[draw(ALIKE.length)]!;
    const target = TARGETS[draw(TARGETS.length)]!;
    return `-A ${hook} ${asked} ${asked.includes('-p ') ? target.replace('-p tcp ', '') : target}`;
  };
  const usable = (line: string): boolean => !line.includes('udp') || !line.includes('tcp-reset');
  const lines = ['INPUT', 'OUTPUT', 'FORWARD']
    .flatMap((hook) => Array.from({ length: draw(6) }, () => rule(hook)))
    .filter((line) => usable(line) && (!line.includes('tcp-reset') || line.includes('-p tcp')));
  const policy = (hook: string): string => `:${hook} ${draw(4) === 0 ? 'DROP' : 'ACCEPT'} [0:0]`;
  return ['*filter', ...['INPUT', 'FORWARD', 'OUTPUT'].map(policy), ...lines, 'COMMIT', ''].join('\n');
}

const CASES = 40;

test(`packets of a flow that are not alike are told apart (seed ${SEED})`, { timeout: 120_000 }, async () => {
  let [all, judged, learned] = [0, 0, 0];
  for (let index = 0; index < CASES; index++) {
    const draw = randomOf(SEED * CASES + index);
    const job: Job = {
      rules: { 4: parseSave(rulesOf(draw), { file: 'rules', family: 4 }) },
      host: buildHost(draw(3) === 0 ? ROUTER : HOST),
      profile: { ...DEFAULT_PROFILE, backend: index % 2 === 0 ? 'nft' : 'legacy' },
    };
    const packets = packetsOf(draw, [1, 9, 700][draw(3)]!, draw(3) === 0);
    const plain = draw(2) === 0 ? asPcap(packets) : asPcapng(packets, draw);
    const capture = draw(4) === 0 ? datagrams(tcpTraffic(PACKETS, FLOWS, 1 + draw(40))) : plain;
    const { debug } = await expectAlike(job, capture, `case ${index}`);
    all += PACKETS;
    judged += debug.flowsJudged();
    learned += debug.flowsLearned();
  }
  expect(judged).toBeGreaterThan(0.3 * all);
  expect(learned).toBeGreaterThan(FLOWS * CASES);
});

const jobOf = (rules: string, given: HostGiven): Job => ({
  rules: {
    4: parseSave(`*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${rules}COMMIT\n`, {
      file: 'rules',
      family: 4,
    }),
  },
  host: buildHost(given),
  profile: DEFAULT_PROFILE,
});

test.each([
  ['no rules', '', HOST],
  ['rules of ports', '-A INPUT -p tcp -m tcp --dport 80 -j DROP\n-A INPUT -p tcp -m multiport --dports 22,443 -j ACCEPT\n', HOST],
  ['a router', '-A FORWARD -p tcp -m tcp --dport 80 -j DROP\n', ROUTER],
] as const)('%s: a flow is looked at once in each direction', async (_name, rules, given) => {
  const { debug } = await expectAlike(jobOf(rules, given), tcpTraffic(PACKETS, FLOWS), 'usual');
  // But for the two packets that each begins with, and flags no rule asks for.
  expect(debug.flowsJudged()).toBe(PACKETS - 2 * FLOWS);
  expect(debug.flowsLearned()).toBe(2 * FLOWS);
});

test('more flows than there are places for at first keep theirs as places become more', async () => {
  const [packets, flows] = [120_000, 6000];
  const { debug } = await expectAlike(
    jobOf('-A INPUT -p tcp -m tcp --dport 80 -j DROP\n', HOST),
    tcpTraffic(packets, flows),
    'many',
  );
  expect(debug.flowsJudged()).toBe(packets - 2 * flows);
  // Some lose their place to others.
  expect(debug.flowsLearned()).toBeLessThan(3 * flows);
});

test('what only begins, or goes the usual way in any case, is soon left alone', async () => {
  const flood = datagrams(tcpTraffic(20_000, 20_000));
  const rules = '-A INPUT -m limit --limit 2000/sec --limit-burst 2\n';
  const { debug } = await expectAlike(jobOf(rules, HOST), flood, 'flood');
  expect(debug.flowsJudged()).toBe(0);
  expect(debug.flowsLearned()).toBeLessThan(2000);
});
