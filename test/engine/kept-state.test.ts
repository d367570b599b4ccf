/** State that is told at the end lies where the tests that use it say: an image in which its name says otherwise is refused. */
import { expect, test } from 'vitest';
import * as abi from '../../src/abi/image.ts';
import { checksum } from '../../src/compile/image.ts';
import { compile } from '../../src/compile/index.ts';
import { readImage } from '../../src/engine/image-view.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';

const RULES = `*filter
-A INPUT -m recent --set
-A INPUT -m hashlimit --hashlimit-upto 1/min --hashlimit-name h --hashlimit-htable-size 16
-A INPUT -m nfacct --nfacct-name a
COMMIT
`;
const { bytes } = compile({
  rules: { 4: parseSave(RULES, { file: 'rules.v4', family: 4 }) },
  host: buildHost({ local: ['10.0.0.2'] }),
  profile: DEFAULT_PROFILE,
});

/** The image with other text of the same length for its names, under a right checksum. */
function renamed(change: (names: string) => string): Uint8Array {
  const copy = bytes.slice();
  const words = new Uint32Array(copy.buffer);
  const [at, size] = [words[abi.IMAGE_WORD_NAMES]!, words[abi.IMAGE_WORD_NAMES_SIZE]!];
  const before = new TextDecoder().decode(copy.subarray(at, at + size));
  const behind = change(before);
  expect(behind).not.toBe(before);
  copy.set(new TextEncoder().encode(behind.padEnd(before.length)), at);
  words[abi.IMAGE_WORD_CHECKSUM] = checksum(copy);
  return copy;
}

const kept = (change: (kept: { name: string; slot: number; parameters: number[] }[]) => unknown) => (names: string) => {
  const all = JSON.parse(names);
  change(all.kept);
  return JSON.stringify(all);
};

test('as it was compiled', () => {
  expect(readImage(bytes).names.kept.map(({ name }) => name)).toEqual(['recent DEFAULT', 'hashlimit 4 h', 'nfacct a']);
});

test.each([
  ['the slot of another', kept(([one, two]) => (two!.slot = one!.slot))],
  ['a slot within another', kept(([one]) => (one!.slot += 1))],
  ['a slot behind all', kept(([, , three]) => (three!.slot = 9999))],
  ['a slot before all', kept(([, , three]) => (three!.slot = -1))],
  ['no number', kept(([one]) => ((one as { slot: unknown }).slot = '1'))],
  ['other parameters', kept(([, two]) => (two!.parameters[2] = 7))],
  ['fewer parameters', kept(([, two]) => two!.parameters.pop())],
  ['another kind', kept(([one]) => (one!.name = 'nfacct DEFAULT'))],
])('refused: %s', (_, change) => {
  expect(() => readImage(renamed(change))).toThrow(/state|names/);
});
