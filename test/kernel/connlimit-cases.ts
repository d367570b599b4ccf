/** Traffic and rules that ask connlimit: connections that open, close, are refused and dropped. */
import { tcpSegment, udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { randomNumbers } from '../../src/reference/random.ts';
import type { SentPacket } from './virtual-differential.ts';

export const MILLISECOND = 1_000_000n;
const NOW = 1_700_000_000_000n * MILLISECOND;
export const PACKETS = 150;
/** So far apart are packets for the running kernel: nobody knows where its jiffies begin, and a busy machine is late. */
export const APART = 40n * MILLISECOND;
const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];
/** What the ends of a connection may send, in any order: most of it is what makes sense next. */
const STEPS = [
  ['client', SYN],
  ['server', SYN | ACK],
  ['client', ACK],
  ['server', FIN | ACK],
  ['client', FIN | ACK],
  ['server', ACK],
  ['server', RST | ACK],
  ['client', RST],
] as const;

export type Random = (choices: number) => number;

export const randomOf = (seed: number): Random => {
  const next = randomNumbers(seed);
  return (choices) => next() % choices;
};

/** Connections of a few clients, in two networks, to two servers. `burst`: packets may share a jiffy. `part`: the networks are others. */
export function traffic(family: Family, random: Random, burst: boolean, part: number): SentPacket[] {
  const prefix = family === 4 ? '10.1.' : '2001:db8:1:';
  const address = (network: number, host: number) =>
    family === 4 ? `${prefix}${network}.${host}` : `${prefix}${network}::${host}`;
  const flows = Array.from({ length: 14 }, (_, i) => ({
    client: address(16 * part + 1 + (i % 2), 1 + (i % 3)),
    server: address(16 * part + 9, 1 + (i % 2)),
    ports: [20_000 + i, i % 5 === 4 ? 53 : 80] as [number, number],
    step: 0,
    sent: [1000, 5000] as [number, number],
  }));
  let time = NOW;
  return Array.from({ length: PACKETS }, () => {
    const flow = flows[random(flows.length)]!;
    const odd = random(6) === 0;
    const [from, flags] = STEPS[odd ? random(STEPS.length) : Math.min(flow.step++, STEPS.length - 1)]!;
    if (random(5) === 0) flow.step = 0;
    const gaps = burst ? [0n, 0n, 100_000n, 4n * MILLISECOND, 15n * MILLISECOND, 11_000n * MILLISECOND] : [APART];
    time += gaps[random(gaps.length)]!;
    const end = from === 'client' ? 0 : 1;
    const [source, destination] = end === 0 ? [flow.client, flow.server] : [flow.server, flow.client];
    const [sourcePort, destinationPort] = end === 0 ? flow.ports : ([flow.ports[1], flow.ports[0]] as const);
    const protocol = flow.ports[1] === 53 ? 17 : 6;
    const transport =
      protocol === 17 ? udpDatagram(sourcePort, destinationPort, 8) : segment(flow.sent, end, flags, sourcePort, destinationPort);
    return { time, bytes: usualPacket({ family, source, destination, protocol }, transport) };
  });
}

function segment(sent: [number, number], end: 0 | 1, flags: number, sourcePort: number, destinationPort: number): Uint8Array {
  const [sequence, other] = end === 0 ? sent : [sent[1], sent[0]];
  if ((flags & (SYN | FIN)) !== 0) sent[end]++;
  const acknowledged = (flags & ACK) === 0 ? 0 : other;
  return tcpSegment({
    sourcePort,
    destinationPort,
    sequence,
    acknowledged,
    flags,
    window: 8192,
    options: new Uint8Array(0),
    data: 0,
  });
}

/** A rule in each of several places, without target, then one that drops. */
export function rulesOf(family: Family, random: Random, zones: boolean): string {
  const masks = family === 4 ? [0, 24, 31, 32] : [0, 48, 64, 128];
  const limit = () =>
    `-m connlimit --connlimit-${random(2) === 0 ? 'upto' : 'above'} ${random(5)} --connlimit-mask ${masks[random(4)]} --connlimit-${random(2) === 0 ? 'saddr' : 'daddr'}`;
  const syn = () => (random(2) === 0 ? '-p tcp --syn ' : '');
  const zone = random(3) === 0 && zones ? ['-A PREROUTING -p udp -j CT --zone 7'] : [];
  const untracked = random(3) === 0 ? ['-A PREROUTING -p udp --dport 53 -j CT --notrack'] : [];
  return [
    '*raw',
    ':PREROUTING ACCEPT [0:0]',
    ...zone,
    ...untracked,
    `-A PREROUTING ${limit()}`,
    'COMMIT',
    '*mangle',
    ':PREROUTING ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    `-A PREROUTING ${limit()}`,
    `-A POSTROUTING ${limit()}`,
    'COMMIT',
    '*filter',
    ':FORWARD ACCEPT [0:0]',
    ':twice - [0:0]',
    '-A FORWARD -j twice',
    `-A FORWARD ${syn()}${limit()}`,
    '-A FORWARD -j twice',
    `-A FORWARD ${syn()}${limit()} -j DROP`,
    `-A twice -p tcp ${limit()}`,
    'COMMIT\n',
  ].join('\n');
}
