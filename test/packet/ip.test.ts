/** IP headers on literal bytes. */
import { describe, expect, test } from 'vitest';
import { checksumRight, pseudoHeaderSum, sum16 } from '../../src/packet/checksum.ts';
import * as ipv4 from '../../src/packet/ipv4.ts';
import { checkOptions } from '../../src/packet/ipv4-options.ts';
import * as ipv6 from '../../src/packet/ipv6.ts';
import { hopByHopRight, jumboPayload } from '../../src/packet/ipv6-options.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
/** RFC 1071's neighbour: the header of an often printed example, its checksum b861. */
const HEADER = hex('4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7');

describe('IPv4', () => {
  test('fields', () => {
    expect(ipv4.checkHeader(HEADER)).toBeNull();
    expect(ipv4.headerLength(HEADER)).toBe(20);
    expect(ipv4.totalLength(HEADER)).toBe(0x73);
    expect(ipv4.ttl(HEADER)).toBe(64);
    expect(ipv4.protocol(HEADER)).toBe(17);
    expect(ipv4.source(HEADER)).toEqual([0xc0a80001]);
    expect(ipv4.destination(HEADER)).toEqual([0xc0a800c7]);
    expect(ipv4.dontFragment(HEADER)).toBe(true);
    expect(ipv4.moreFragments(HEADER)).toBe(false);
    expect(ipv4.fragmentOffset(HEADER)).toBe(0);
    expect(ipv4.headerChecksumRight(HEADER)).toBe(true);
    expect(ipv4.headerChecksumRight(hex('4500 0073 0000 4000 4011 b862 c0a80001 c0a800c7'))).toBe(false);
  });

  test('faults', () => {
    expect(ipv4.checkHeader(HEADER.slice(0, 19))).toBe('short');
    expect(ipv4.checkHeader(hex(`65${'00'.repeat(19)}`))).toBe('version');
    expect(ipv4.checkHeader(hex(`44${'00'.repeat(19)}`))).toBe('header-length');
    expect(ipv4.checkHeader(hex(`4f${'00'.repeat(19)}`))).toBe('short');
  });

  test.each([
    ['nothing', '', 'fine'],
    ['no-operations and an end', '01010100', 'fine'],
    ['router alert', '94040000', 'fine'],
    ['short router alert', '94030000', 'malformed'],
    ['record route with room', '07070400000000 00', 'fine'],
    ['record route that is full', '07070800000000 00', 'fine'],
    ['record route with a pointer inside an address', '07070500000000 00', 'malformed'],
    ['record route pointing before its data', '07070300000000 00', 'malformed'],
    ['two record routes', '070304 070304 0000', 'malformed'],
    ['a source route', '83070400000000 00', 'source-route'],
    ['two source routes', '830304 890304 0000', 'malformed'],
    ['a timestamp', '44080500 00000000', 'fine'],
    ['a full timestamp that overflowed 15 times', '440809f0 00000000', 'malformed'],
    ['a full timestamp of given addresses', '440809f3 00000000', 'fine'],
    ['length 1', '8201', 'malformed'],
    ['longer than the header', '82090000', 'malformed'],
    ['a lone kind at the end', '01010182', 'malformed'],
  ])('options: %s', (_, bytes, expected) => {
    expect(checkOptions(hex(bytes))).toBe(expected);
  });
});

const six = (next: string, rest: string): Uint8Array =>
  hex(
    `60000000 ${(rest.replaceAll(' ', '').length / 2).toString(16).padStart(4, '0')} ${next} 40 ${'20010db8'.padEnd(32, '0')} ${'fe80'.padEnd(32, '0')} ${rest}`,
  );

describe('IPv6', () => {
  test('fields', () => {
    const bytes = six('11', '0102');
    expect(ipv6.version(bytes)).toBe(6);
    expect(ipv6.payloadLength(bytes)).toBe(2);
    expect(ipv6.hopLimit(bytes)).toBe(64);
    expect(ipv6.source(bytes)).toEqual([0x20010db8, 0, 0, 0]);
    expect(ipv6.isLinkLocal(ipv6.destination(bytes))).toBe(true);
    expect(ipv6.trafficClass(hex(`6b8${'0'.repeat(77)}`))).toBe(0xb8);
    expect(ipv6.isMulticast([0xff020000, 0, 0, 1])).toBe(true);
    expect(ipv6.multicastScope([0xff0e0000, 0, 0, 1])).toBe(14);
  });

  test.each([
    ['no extension', '06', '', { protocol: 6, offset: 40, fragmentOffset: 0 }],
    ['hop-by-hop, destination, TCP', '00', '3c00010400000000 0600010400000000', { protocol: 6, offset: 56 }],
    ['authentication counts in words of four', '33', '11010000000000010000000c', { protocol: 17, offset: 52 }],
    ['first fragment', '2c', '1100000100000007', { protocol: 17, offset: 48, fragmentOffset: 0, fragment: true }],
    ['later fragment', '2c', '1100050100000007', { protocol: 17, offset: 48, fragmentOffset: 0x500, fragment: true }],
    ['later fragment of nothing', '2c', '3b00050100000007', { protocol: 59, fragmentOffset: 0x500 }],
    ['no next header', '3b', '', { protocol: 59, offset: 40 }],
  ])('last header: %s', (_, next, rest, expected) => {
    expect(ipv6.findUpper(six(next, rest))).toMatchObject(expected);
  });

  test('chains that cannot be parsed', () => {
    expect(ipv6.findUpper(six('3c', '06'))).toBeNull();
    expect(ipv6.findUpper(six('2b', '0600'))).toBeNull();
    expect(ipv6.findUpper(six('2c', '0600'))).toBeNull();
    expect(ipv6.findUpper(six('2c', '3c00050100000007'))).toBeNull();
    expect(ipv6.skipExtensions(six('3b', ''))).toBe('unparsable');
    expect(ipv6.skipExtensions(six('3c', '06'))).toBe('unparsable');
  });

  test('conntrack stops at a later fragment', () => {
    expect(ipv6.skipExtensions(six('2c', '1100050100000007'))).toMatchObject({ protocol: 44, fragmentOffset: 0x500 });
  });

  test.each([
    ['padding', '1100010400000000', true],
    ['padding that is not zero', '1100010400090000', false],
    ['eight bytes of padding', '1101010400000000 0102000000000000', false],
    ['router alert', '1100050200000100', true],
    ['a long router alert', '1100050300000000', false],
    ['unknown, to be skipped', '11001e0400000000', true],
    ['unknown, to be refused', '1100450400000000', false],
    ['behind the end', '1100010900000000', false],
    ['jumbo below 65536', '1100c20400000010', false],
    ['header longer than the packet', '1105010400000000', false],
  ])('hop-by-hop: %s', (_, rest, right) => {
    expect(hopByHopRight(six('00', rest))).toBe(right);
  });

  test('a jumbo packet', () => {
    const bytes = new Uint8Array(40 + 65544);
    bytes.set(six('00', '1100c20400010008'));
    bytes.set([0, 0], 4);
    expect(hopByHopRight(bytes)).toBe(true);
    expect(jumboPayload(bytes)).toBe(65544);
  });
});

test('checksums', () => {
  expect(sum16(hex('0001 f203 f4f5 f6f7'))).toBe(0xddf2); // RFC 1071 3
  expect(sum16(hex('01'))).toBe(0x100);
  expect(checksumRight(hex('ffff'))).toBe(true);
  expect(pseudoHeaderSum([0x01020304], [0x05060708], 6, 20)).toBe(0x0102 + 0x0304 + 0x0506 + 0x0708 + 26);
});
