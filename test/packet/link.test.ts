/** Link layers on literal bytes: deconstruct, truncated, impossible. */
import { describe, expect, test } from 'vitest';
import { readLink } from '../../src/packet/link.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const MACS = '020000000001 02000000000a';
const read = (linktype: number, text: string) => readLink({ linktype, bytes: hex(text) });
const unseen = (reason: string) => ({ kind: 'unseen', reason });

describe('Ethernet', () => {
  test('IPv4: where the IP header is, and the addresses', () => {
    expect(read(1, `${MACS} 0800 45`)).toEqual({
      kind: 'ip',
      family: 4,
      offset: 14,
      destinationMac: [2, 0, 0, 0, 0, 1],
      sourceMac: [2, 0, 0, 0, 0, 10],
      loopback: false,
    });
  });

  test.each([
    ['802.1Q', '8100 0005 0800', 4, 18],
    ['QinQ', '88a8 0005 8100 0006 86dd', 6, 22],
    ['old QinQ', '9100 0005 8100 0006 0800', 4, 22],
    ['an older QinQ', '9200 0005 86dd', 6, 18],
    ['MPLS', '8847 00010100 45', 4, 18],
    ['two MPLS labels', '8848 00010000 00020100 60', 6, 22],
    ['PPPoE IPv4', '8864 1100 0001 0016 0021', 4, 22],
    ['PPPoE IPv6', '8864 1100 0001 0016 0057', 6, 22],
    ['PPPoE in a VLAN', '8100 0007 8864 1100 0001 0016 0021', 4, 26],
  ])('%s', (_, behind, family, offset) => {
    expect(read(1, `${MACS} ${behind}`)).toMatchObject({ kind: 'ip', family, offset });
  });

  test.each([
    ['ARP', '0806 0001', 'not-ip'],
    ['an 802.3 length', '0026 4242 03', 'not-ip'],
    ['PPPoE discovery', '8863 1109 0000 0000', 'not-ip'],
    ['PPPoE control', '8864 1100 0001 0016 c021', 'not-ip'],
    ['MPLS with something else', '8847 00010100 00', 'not-ip'],
    ['half a VLAN tag', '8100 00', 'truncated'],
    ['MPLS without bottom', '8847 00010000 0001', 'truncated'],
    ['MPLS with nothing', '8847 00010100', 'truncated'],
    ['half a PPPoE header', '8864 1100 0001', 'truncated'],
  ])('%s is not seen', (_, behind, reason) => {
    expect(read(1, `${MACS} ${behind}`)).toEqual(unseen(reason));
  });

  test("what a PPPoE payload's length leaves out is padding", () => {
    const ends = (length: string, rest: number) => read(1, `${MACS} 8864 1100 0001 ${length} 0021 ${'45'.repeat(rest)}`);
    expect(ends('0016', 20)).toMatchObject({ offset: 22, end: 42 });
    expect(ends('000c', 20)).toMatchObject({ offset: 22, end: 32 });
    expect(ends('0002', 20)).toMatchObject({ offset: 22, end: 22 });
    expect(ends('0016', 3)).toMatchObject({ offset: 22, end: 25 });
    expect(ends('0001', 20)).toEqual(unseen('truncated'));
  });

  test('too short for a header', () => {
    expect(read(1, `${MACS} 08`)).toEqual(unseen('truncated'));
    expect(read(1, '')).toEqual(unseen('truncated'));
  });
});

describe('Linux cooked', () => {
  test('version 1: packet type, sender, protocol', () => {
    const link = read(113, '0004 0001 0006 02000000000a 0000 0800');
    expect(link).toMatchObject({ family: 4, offset: 16, sourceMac: [2, 0, 0, 0, 0, 10], destinationMac: null });
    expect(link).toMatchObject({ recordedType: 'outgoing', loopback: false });
    expect(read(113, '0001 0001 0006 02000000000a 0000 86dd')).toMatchObject({ family: 6, recordedType: 'broadcast' });
    expect(read(113, '0000 0304 0006 000000000000 0000 0800')).toMatchObject({ loopback: true, sourceMac: null });
    // On a netlink monitor the protocol is a netlink family, here one that looks like IPv4.
    expect(read(113, '0000 0338 0006 000000000000 0000 0800')).toEqual(unseen('not-ip'));
    expect(read(113, '0000 0001 0006 02000000000a 0000 8100 0005 0800')).toMatchObject({ family: 4, offset: 20 });
  });

  test('version 2', () => {
    const link = read(276, '86dd 0000 00000002 0001 03 06 02000000000a 0000');
    expect(link).toMatchObject({ family: 6, offset: 20, recordedType: 'otherhost', sourceMac: [2, 0, 0, 0, 0, 10] });
  });

  test('cut headers', () => {
    expect(read(113, '0000 0001 0006 02000000000a 0000 08')).toEqual(unseen('truncated'));
    expect(read(276, '0800 0000 00000002 0001 00 06 0200')).toEqual(unseen('truncated'));
    expect(read(113, '0000 0001 0006 02000000000a 0000 0806')).toEqual(unseen('not-ip'));
  });
});

describe('raw IP and BSD loopback', () => {
  test.each([
    [101, 'nibble'],
    [12, 'nibble'],
    [14, 'nibble'],
    [228, 4],
    [229, 6],
  ])('link type %i', (linktype, family) => {
    expect(read(linktype, '45')).toMatchObject({ kind: 'ip', family, offset: 0 });
  });

  test('address families in both byte orders', () => {
    expect(read(0, '02000000')).toMatchObject({ family: 4, offset: 4 });
    expect(read(0, '00000002')).toMatchObject({ family: 4, offset: 4 });
    for (const family of ['18', '1c', '1e', '0a']) {
      expect(read(0, `${family}000000`)).toMatchObject({ family: 6 });
      expect(read(108, `000000${family}`)).toMatchObject({ family: 6 });
    }
    expect(read(108, '02000000')).toEqual(unseen('not-ip'));
    // The other bytes count, too, in whichever order.
    expect(read(0, '02000100')).toEqual(unseen('not-ip'));
    expect(read(0, '0200c0a8')).toEqual(unseen('not-ip'));
    expect(read(0, '07000000')).toEqual(unseen('not-ip'));
    expect(read(0, '020000')).toEqual(unseen('truncated'));
    expect(read(108, '')).toEqual(unseen('truncated'));
  });

  test('other link types', () => {
    expect(read(147, '45')).toEqual(unseen('link-type'));
  });
});
