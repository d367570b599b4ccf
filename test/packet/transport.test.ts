/** TCP, UDP and ICMP headers on literal bytes. */
import { expect, test } from 'vitest';
import * as icmp from '../../src/packet/icmp.ts';
import * as tcp from '../../src/packet/tcp.ts';
import * as udp from '../../src/packet/udp.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const SEGMENT = hex('1f90 0050 00000001 80000000 8012 2000 1234 0000 0402 0103 0307 0100');

test('TCP fields', () => {
  expect(tcp.hasHeader(SEGMENT)).toBe(true);
  expect(tcp.sourcePort(SEGMENT)).toBe(8080);
  expect(tcp.destinationPort(SEGMENT)).toBe(80);
  expect(tcp.sequence(SEGMENT)).toBe(1);
  expect(tcp.acknowledgement(SEGMENT)).toBe(0x80000000);
  expect(tcp.headerLength(SEGMENT)).toBe(32);
  expect(tcp.flags(SEGMENT)).toBe(tcp.SYN | tcp.ACK);
  expect(tcp.window(SEGMENT)).toBe(8192);
  expect(tcp.hasHeader(SEGMENT.slice(0, 19))).toBe(false);
});

test('TCP options: as far as they are whole', () => {
  const withOptions = (text: string): Uint8Array => {
    const options = hex(text);
    const bytes = new Uint8Array(20 + options.length);
    bytes.set(SEGMENT.slice(0, 20));
    bytes[12] = (5 + options.length / 4) << 4;
    bytes.set(options, 20);
    return bytes;
  };
  const kinds = (text: string): number[] => tcp.options(withOptions(text)).map(({ kind }) => kind);
  expect(tcp.options(withOptions('01030307 04020000'))).toEqual([
    { kind: 3, data: hex('07') },
    { kind: 4, data: hex('') },
  ]);
  expect(kinds('00030307')).toEqual([]);
  expect(kinds('03010307')).toEqual([]);
  expect(kinds('04020309')).toEqual([4]);
  expect(kinds('04020103')).toEqual([4]);
  expect(tcp.options(SEGMENT.slice(0, 24))).toEqual([]);
});

test('UDP and ICMP fields', () => {
  const datagram = hex('0035 c350 000c abcd 00000000');
  expect(udp.hasHeader(datagram)).toBe(true);
  expect(udp.hasHeader(datagram.slice(0, 7))).toBe(false);
  expect([udp.sourcePort(datagram), udp.destinationPort(datagram), udp.length(datagram), udp.checksum(datagram)]).toEqual([
    53, 50000, 12, 0xabcd,
  ]);
  const message = hex('0800 f7f8 0007 0001');
  expect(icmp.hasHeader(message)).toBe(true);
  expect(icmp.hasHeader(message.slice(0, 7))).toBe(false);
  expect([icmp.type(message), icmp.code(message), icmp.identifier(message)]).toEqual([8, 0, 7]);
});
