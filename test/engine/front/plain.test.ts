/** The short way of plain packets fills a slot as the general way does. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LINK_ETHERNET } from '../../../src/abi/capture.ts';
import { FIELD_COUNT, FIELD_DESTINATION_TYPE, FIELD_SOURCE_TYPE } from '../../../src/abi/fields.ts';
import * as p from '../../../src/abi/packet.ts';
import { encodeHost } from '../../../src/compile/host.ts';
import { buildInterfaces } from '../../../src/compile/interfaces.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import { SEED } from '../../seed.ts';
import { BUILDS, compile, Front } from './engine.ts';
import { frame, ip4, MAC_A, MAC_B } from './packets.ts';

const NAMES = buildInterfaces([], ['lo', 'eth0', 'eth1']);
const HOSTS = [
  buildHost({ local: ['10.1.2.3'], in: 'eth0' }),
  buildHost({ local: ['10.1.2.3/24', '192.168.1.1/16'] }),
  buildHost({ local: ['10.1.2.3'], forward: true }),
].flatMap((host) => [
  encodeHost(host, DEFAULT_PROFILE, NAMES, { addressTypes: false }),
  encodeHost(host, { ...DEFAULT_PROFILE, sysctls: { 'net.ipv4.conf.all.rp_filter': 1 } }, NAMES, { addressTypes: true }),
]);
const WORDS = [
  p.PACKET_L4_OFFSET,
  p.PACKET_WAY,
  p.PACKET_CT_ENTRY,
  p.PACKET_CT_UNCONFIRMED,
  p.PACKET_UNSEEN,
  p.PACKET_STACK,
  p.PACKET_INVALID,
  p.PACKET_ETHERNET,
  p.PACKET_IP,
  p.PACKET_IP_CAPTURED,
];

/** What both ways must agree on; address types are filled only when rules ask, and of an unseen packet nobody reads fields. */
function slotOf(front: Front): number[] {
  if (front.get(p.PACKET_UNSEEN) !== 0) return [front.get(p.PACKET_UNSEEN), front.get(p.PACKET_WAY)];
  const fields = Array.from({ length: FIELD_COUNT }, (_, field) =>
    field === FIELD_SOURCE_TYPE || field === FIELD_DESTINATION_TYPE ? 0 : front.field(field),
  );
  return [...fields, ...WORDS.map((word) => front.get(word))];
}

const address = fc.oneof(
  fc.constantFrom(0x0a010203, 0xc0a80101, 0xc0a8ffff, 0, 0x7f000001, 0xffffffff, 0xe0000001, 0xf0000001, 0x00000001, 0x0a010204),
  fc.nat(0xffffffff),
);
const packets = fc.record({
  source: address,
  destination: address,
  protocol: fc.constantFrom(1, 6, 17, 47),
  ttl: fc.nat(255),
  tos: fc.nat(255),
  fragment: fc.constantFrom(0, 0x4000, 0x2000, 0x1fff, 0x8001),
  payload: fc.uint8Array({ minLength: 14, maxLength: 48 }).map((bytes) => [...bytes]),
});
const macs = fc.constantFrom(MAC_A, MAC_B, [255, 255, 255, 255, 255, 255], [1, 0, 94, 0, 0, 1]);

describe.each(BUILDS)('plain packets, %s build', (build) => {
  const module = compile(build);

  test('the short way is the general way', () => {
    const front = new Front(module);
    let short = 0;
    const property = fc.property(
      fc.nat(HOSTS.length - 1),
      fc.array(fc.tuple(packets, macs, fc.nat(2), fc.nat(2), fc.nat(20)), { minLength: 1, maxLength: 8 }),
      (host, all) => {
        front.host(HOSTS[host]!);
        for (const [packet, mac, direction, device, padding] of all) {
          const bytes = new Uint8Array([...frame(0x0800, ip4(packet), mac), ...new Array<number>(padding).fill(0xa5)]);
          front.frame(bytes, LINK_ETHERNET, { direction, interface: device });
          const plain = front.decodePlain();
          const got = plain ? slotOf(front) : [];
          front.frame(bytes, LINK_ETHERNET, { direction, interface: device });
          front.decode();
          if (!plain) continue;
          short++;
          expect(got).toEqual(slotOf(front));
        }
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 400 });
    expect(short).toBeGreaterThan(400);
  });

  test('takes nothing else', () => {
    const front = new Front(module);
    front.host(HOSTS[0]!);
    const refused = (packet: number[], type = 0x0800): void => {
      front.frame(new Uint8Array(frame(type, packet)), LINK_ETHERNET);
      expect(front.decodePlain()).toBe(false);
    };
    refused(ip4({ checksum: 1 }));
    refused(ip4({ options: [1, 1, 1, 0] }));
    refused(ip4({ total: 41 }));
    refused(ip4({ total: 35 }));
    refused(ip4({ first: 0x65 }));
    refused(ip4(), 0x86dd);
    refused(ip4({ payload: new Array<number>(15).fill(0) }));
  });
});
