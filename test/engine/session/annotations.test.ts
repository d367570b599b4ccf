/** What is told of packets beside the capture: how the file is read, and that reference and engine take it alike. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { casesOf } from '../../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../../src/fuzz/case.ts';
import { ask, differences, jobOf } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import { type Annotation, readAnnotations } from '../../../src/model/annotations.ts';
import { SEED } from '../../seed.ts';

const PACKETS = 60;

describe('a file of annotations', () => {
  it('is one object a line', () => {
    const told = readAnnotations('{"packet": 7, "uid": 1000}\n\n{"packet":9,"cpu":1,"realm":5}\n', 'f');
    expect([...told]).toEqual([
      [7, { uid: 1000, socket: true }],
      [9, { cpu: 1, realm: 5 }],
    ]);
  });

  it('tells of IPsec and of the load balancer in objects', () => {
    const told = readAnnotations(
      '{"packet": 1, "ipsecin": [{"proto": "esp", "mode": "tunnel", "spi": 16, "src": "10.0.0.1"}], "ipvs": {"vaddr": "::1", "vport": 80}}',
      'f',
    );
    expect([...told]).toEqual([
      [
        1,
        {
          ipsecin: [{ proto: 'esp', mode: 'tunnel', spi: 16, src: [0x0a000001] }],
          ipvs: { vaddr: [0, 0, 0, 1], vport: 80 },
        },
      ],
    ]);
  });

  it.each([
    ['7', 'f:1: wants an object'],
    ['{"packet": 7', 'f:1: wants an object'],
    ['{"uid": 5}', 'f:1: "packet" wants the number of a packet, from 1, got nothing'],
    ['{"packet": 0}', '"packet" wants'],
    ['\n{"packet": 1, "uid": -1}', 'f:2: "uid" wants a whole number'],
    ['{"packet": 1, "user": "root"}', 'unknown word "user"'],
    ['{"packet": 1, "groups": 5}', '"groups" wants a list'],
    ['{"packet": 1, "socket": false, "uid": 5}', '"socket": false, and yet'],
    ['{"packet": 1}\n{"packet": 1}', 'f:2: packet 1 has an annotation already'],
    ['{"packet": 1, "toString": 1}', 'unknown word "toString"'],
    ['{"packet": 1, "physin": "a-name-too-long-"}', '"physin" wants the name of a device'],
    ['{"packet": 1, "physout": "eth1"}', '"physout" wants "physin" beside it'],
    ['{"packet": 1, "ipsecin": {"spi": 1}}', '"ipsecin" wants a list of up to 6 transformations'],
    ['{"packet": 1, "ipsecout": [{"src": "10.0.0"}]}', '"ipsecout" wants'],
    ['{"packet": 1, "ipsecout": [{"sppi": 1}]}', '"ipsecout" wants'],
    ['{"packet": 1, "ipvs": true}', '"ipvs" wants an object with some of "vaddr" (an IPv4 or IPv6 address)'],
    ['{"packet": 1, "ipvs": {"vport": 65536}}', '"ipvs" wants'],
  ])('%s', (text, message) => {
    expect(() => readAnnotations(text, 'f')).toThrow(message);
  });
});

const number = fc.constantFrom(0, 1, 5, 1000);
const device = fc.constantFrom('eth0', 'eth1', 'ppp0');
const address = fc.constantFrom([0x0a000001], [0xc0000201], [0x20010db8, 0, 0, 1]);
const port = fc.constantFrom(22, 53, 80, 443);
const transformation = fc.record(
  {
    proto: fc.constantFrom('esp' as const, 'ah' as const),
    mode: fc.constantFrom('transport' as const, 'tunnel' as const),
    spi: fc.constantFrom(1, 16),
    reqid: fc.constantFrom(1, 2),
    src: address,
    dst: address,
  },
  { requiredKeys: [] },
);
const transformations = fc.array(transformation, { maxLength: 3 });
const annotation: fc.Arbitrary<Annotation> = fc.oneof(
  fc.record({ physin: device, physout: device }, { requiredKeys: ['physin'] }),
  fc.record({ srcgroup: number, dstgroup: number, ipsecin: transformations, ipsecout: transformations }, { requiredKeys: [] }),
  fc.record({
    ipvs: fc.record(
      { vaddr: address, vport: port, vmethod: fc.constantFrom('GATE' as const, 'MASQ' as const), vportctl: port },
      { requiredKeys: [] },
    ),
  }),
  fc.constant({}),
  fc.record({ cpu: number, realm: number }, { requiredKeys: [] }),
  fc.record(
    {
      socket: fc.constant(true),
      uid: number,
      gid: number,
      groups: fc.array(number, { maxLength: 2 }),
      class: number,
      cgroup: fc.constantFrom('', '/', 'a', 'a/b', '/ab/'),
      transparent: fc.boolean(),
      wildcard: fc.boolean(),
    },
    { requiredKeys: ['socket'] },
  ),
);

describe(`annotations, reference and engine, seed ${SEED}`, () => {
  it('answer alike', { timeout: 120_000 }, async () => {
    const only = ['owner', 'cgroup', 'socket', 'cpu', 'realm', 'physdev', 'devgroup', 'policy', 'ipvs', 'conntrack'];
    const cases = casesOf({ packets: PACKETS, judge: 'software', only }, SEED, 48);
    let changed = 0;
    for (const [index, one] of cases.entries()) {
      const drawn = fc.sample(annotation, { seed: SEED + index, numRuns: PACKETS });
      const job = jobOf(one);
      const annotated = { ...job, annotations: new Map(drawn.map((each, i) => [i + 1, each])) };
      const capture = captureOf(one);
      const reference = await ask(PROGRAMS.reference!, annotated, capture);
      for (const name of ['engine', 'linear'])
        expect(differences(reference, await ask(PROGRAMS[name]!, annotated, capture)), `${name}: ${one.rules}`).toEqual([]);
      if (differences(reference, await ask(PROGRAMS.reference!, job, capture)).length > 0) changed++;
    }
    // Told nothing, they would answer otherwise.
    expect(changed).toBeGreaterThan(4);
  });
});
