/** What is told of packets beside the capture: how the file is read, and that reference and engine take it alike. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { casesOf } from '../../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../../src/fuzz/case.ts';
import { ask, differences, jobOf } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import { type Annotation, readAnnotations } from '../../../src/model/annotations.ts';

const SEED = Number(process.env.WASMTABLES_SEED ?? 1);
const PACKETS = 60;

describe('a file of annotations', () => {
  it('is one object a line', () => {
    const told = readAnnotations('{"packet": 7, "uid": 1000}\n\n{"packet":9,"cpu":1,"realm":5}\n', 'f');
    expect([...told]).toEqual([
      [7, { uid: 1000, socket: true }],
      [9, { cpu: 1, realm: 5 }],
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
  ])('%s', (text, message) => {
    expect(() => readAnnotations(text, 'f')).toThrow(message);
  });
});

const number = fc.constantFrom(0, 1, 5, 1000);
const annotation: fc.Arbitrary<Annotation> = fc.oneof(
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
    const only = ['owner', 'cgroup', 'socket', 'cpu', 'realm'];
    const cases = casesOf({ packets: PACKETS, judge: 'software', only }, SEED, 24);
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
