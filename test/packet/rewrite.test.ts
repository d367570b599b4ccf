/** Checksums that follow what changes are those of the changed packet. */
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/model/address.ts';
import { checksumRight, sum16 } from '../../src/packet/checksum.ts';
import * as ipv4 from '../../src/packet/ipv4.ts';
import { putAddress, putIpv4Byte, updatedChecksum } from '../../src/packet/rewrite.ts';

const header = (): Uint8Array => {
  const bytes = Uint8Array.from([0x45, 0x10, 0, 20, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 192, 0, 2, 7]);
  const sum = ~sum16(bytes) & 0xffff;
  bytes.set([sum >> 8, sum & 255], 10);
  return bytes;
};

describe('rewriting', () => {
  it('keeps the IPv4 header checksum right when an address changes', () => {
    const bytes = header();
    putAddress(bytes, 4, 0, true, parseAddress('203.0.113.200', 4)!);
    putAddress(bytes, 4, 0, false, parseAddress('255.255.255.255', 4)!);
    expect(ipv4.headerChecksumRight(bytes)).toBe(true);
    expect([...bytes.subarray(12)]).toEqual([203, 0, 113, 200, 255, 255, 255, 255]);
  });

  it('keeps it right when one byte changes, at an even or an odd place', () => {
    const bytes = header();
    putIpv4Byte(bytes, 1, 0xb8);
    putIpv4Byte(bytes, 8, 1);
    expect(ipv4.headerChecksumRight(bytes)).toBe(true);
    expect([bytes[1], bytes[8]]).toEqual([0xb8, 1]);
  });

  it('never gives 0xffff (RFC 1624, eqn. 3), whatever changes', () => {
    expect(updatedChecksum(0xffff, [0x1234], [0x1234])).toBe(0);
    expect(updatedChecksum(0x0000, [0xffff], [0xffff])).toBe(0);
    expect(updatedChecksum(0xffff, [0xffff, 0xffff], [0, 0])).toBe(0);
  });

  it('does not mend a wrong checksum', () => {
    const bytes = header();
    bytes[11]! ^= 0x55;
    putAddress(bytes, 4, 0, true, [0x01020304]);
    expect(checksumRight(bytes)).toBe(false);
  });
});
