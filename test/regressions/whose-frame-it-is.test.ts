/**
 * What a frame says of whose it is, where engine and reference had it differently. Not asked of the kernel by the oracle, which injects at Ethernet devices; the running kernel (6.18) was asked by hand:
 * over lo a packet socket's frame to another MAC was captured as "for another host" and met neither OUTPUT nor PREROUTING, and a packet socket's frame with an IP version of 5 as "outgoing", and met nothing;
 * what a packet socket sent over lo from somewhere else was let in and dropped, or delivered, as the last group says.
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { concat, describe_, enhanced, option, section } from '../capture/build.ts';
import { WITNESSES } from './witnesses.ts';

const RULES = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
const OWN = [2, 0, 0, 0, 0, 1];
const OTHER = [2, 0, 0, 0, 0, 9];
const HOST = buildHost({
  addresses: [
    { ifname: 'eth0', address: '02:00:00:00:00:01', addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24 }] },
  ],
  routes: [[{ dst: 'default', dev: 'eth0' }]],
});
const [ETHERNET, SLL, SLL2] = [1, 113, 276];
const [ARPHRD_ETHER, ARPHRD_LOOPBACK] = [1, 772];
const TYPES = { host: 0, otherhost: 3, outgoing: 4, loopback: 5, user: 6, kernel: 7, none: 8 };

const packet = (source: string, destination: string): number[] => [
  ...usualPacket({ family: 4, source, destination, protocol: 17 }, udpDatagram(1000, 53, 4)),
];
const FROM_HERE = packet('192.0.2.1', '192.0.2.9');
const TO_HERE = packet('192.0.2.9', '192.0.2.1');
const INSIDE = packet('192.0.2.1', '192.0.2.1');

const ethernet = (to: number[], from: number[], bytes: number[]): number[] => [...to, ...from, 8, 0, ...bytes];
const sll = (type: number, hardware: number, from: number[], bytes: number[]): number[] => [
  ...[0, type, hardware >> 8, hardware & 255, 0, 6, ...from, 0, 0, 8, 0],
  ...bytes,
];
const sll2 = (type: number, hardware: number, from: number[], bytes: number[]): number[] => [
  ...[8, 0, 0, 0, 0, 0, 0, 1, hardware >> 8, hardware & 255, type, 6, ...from, 0, 0],
  ...bytes,
];

const asPcap = (linktype: number, bytes: number[]): Uint8Array =>
  writePcap([{ time: 1_700_000_000_000_000_000n, bytes: Uint8Array.from(bytes) }], linktype);
/** With flags of the record: 1 is inbound, 2 outbound. */
const flagged = (linktype: number, flags: number, bytes: number[]): Uint8Array =>
  concat(section(), describe_(linktype, {}), enhanced(Uint8Array.from(bytes), { options: [option(2, [flags, 0, 0, 0])] }));

/** What is told of the one packet: why it came no further, or the hooks it met. */
function toldAs(name: string, capture: Uint8Array, wanted: string, family: Family = 4): void {
  for (const [witness, start] of WITNESSES) {
    it(`${name} (${witness})`, async () => {
      const told: PacketOutcome[] = [];
      const job = {
        rules: { [family]: parseSave(RULES, { file: 'rules', family }) },
        host: HOST,
        profile: DEFAULT_PROFILE,
        packets: { path: false },
      };
      const session = await start(job, (outcome) => told.push(outcome));
      session.startCapture('frame');
      session.feed(capture);
      session.endCapture();
      const chains = Object.entries(session.result().counters[family]!.filter!);
      const met = chains.filter(([, { packets }]) => packets > 0).map(([hook]) => hook);
      expect(told.map(({ reason, unseen }) => unseen ?? reason ?? met.join(', '))).toEqual([wanted]);
    });
  }
}

const version5 = (bytes: number[]): number[] => [0x55, ...bytes.slice(1)];

// The reference called it one for another host: it read no addresses, took the frame for one that arrives, and its MAC is none of ours.
describe('a frame that this host sent is not for another host because its IP header cannot be read', () => {
  toldAs('of another version', asPcap(ETHERNET, ethernet(OTHER, OWN, version5(FROM_HERE))), 'bad IP version');
  toldAs('cut', asPcap(ETHERNET, ethernet(OTHER, OWN, FROM_HERE.slice(0, 19))), 'shorter than an IP header');
  toldAs('as the record says', flagged(ETHERNET, 2, ethernet(OTHER, OTHER, version5(FROM_HERE))), 'bad IP version');
  toldAs('that of others is', asPcap(ETHERNET, ethernet(OTHER, OTHER, version5(FROM_HERE))), 'for another host');
  toldAs('and so is what came in', flagged(ETHERNET, 1, ethernet(OTHER, OWN, version5(FROM_HERE))), 'for another host');
});

// The reference took it for one that OUTPUT and INPUT met.
describe('a frame for another host over lo is dropped by ip_rcv, and no OUTPUT saw it', () => {
  for (const [name, linktype, cooked] of [['SLL', SLL, sll] as const, ['SLL2', SLL2, sll2] as const]) {
    const over = (type: number): Uint8Array => asPcap(linktype, cooked(type, ARPHRD_LOOPBACK, OTHER, INSIDE));
    toldAs(`${name}, for another host`, over(TYPES.otherhost), 'for another host');
    toldAs(`${name}, for this one`, over(TYPES.host), 'INPUT, OUTPUT');
  }
});

// The engine asked no MACs, and so took what is sent for forwarded, and believed flags about lo.
describe('a packet type that no capture of the kernel has says nothing of a direction', () => {
  for (const [name, linktype, cooked] of [['SLL', SLL, sll] as const, ['SLL2', SLL2, sll2] as const]) {
    for (const type of [TYPES.loopback, TYPES.user, TYPES.kernel, TYPES.none]) {
      const by = (from: number[], bytes: number[], hardware = ARPHRD_ETHER): number[] => cooked(type, hardware, from, bytes);
      const told = `${name}, type ${type}`;
      toldAs(
        `${told}: of our MAC and an address of others`,
        asPcap(linktype, by(OWN, TO_HERE)),
        'outgoing copy of a forwarded packet',
      );
      toldAs(`${told}: of our MAC and address`, asPcap(linktype, by(OWN, FROM_HERE)), 'OUTPUT');
      toldAs(`${told}: of another MAC`, asPcap(linktype, by(OTHER, TO_HERE)), 'INPUT');
      toldAs(`${told}: the record's direction comes first`, flagged(linktype, 1, by(OWN, TO_HERE)), 'INPUT');
      toldAs(`${told}: over lo there is none`, flagged(linktype, 1, by(OTHER, INSIDE, ARPHRD_LOOPBACK)), 'INPUT, OUTPUT');
    }
  }
});

const SOMEWHERE = { 4: '198.51.100.7', 6: '2001:db8:77::7' };
const LO = { 4: '127.0.0.1', 6: '::1' };

/** A raw packet of a pcapng file of the device lo. */
function overLo(family: Family, source: string, destination: string): Uint8Array {
  const bytes = usualPacket({ family, source, destination, protocol: 17 }, udpDatagram(1000, 53, family));
  return concat(section(), describe_(101, { options: [option(2, Buffer.from('lo'))] }), enhanced(bytes));
}

// The engine let IPv4 of loopback addresses in over lo, as if it were what the host itself sends there, which has its route already; the reference let no IPv6 of them in.
describe('what comes over lo from somewhere else is looked at like what comes from outside, but for IPv6 addresses of loopback', () => {
  toldAs('IPv4 to 127.0.0.1', overLo(4, SOMEWHERE[4], LO[4]), 'martian destination');
  toldAs('IPv4 to this host', overLo(4, SOMEWHERE[4], '192.0.2.1'), 'INPUT');
  toldAs('IPv6 to ::1', overLo(6, SOMEWHERE[6], LO[6]), 'INPUT', 6);
  toldAs('IPv6 to a group of scope 0', overLo(6, SOMEWHERE[6], 'ff00::1'), 'bad IPv6 address', 6);
  toldAs('IPv6 from a group', overLo(6, 'ff02::5', LO[6]), 'bad IPv6 address', 6);
});
