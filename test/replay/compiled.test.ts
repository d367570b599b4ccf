/** Rules compiled for a replay: V8 is left as it was, for it refuses code that was kept by one with other flags. */
import { cachedDataVersionTag, setFlagsFromString } from 'node:v8';
import { expect, test } from 'vitest';
import { compile } from '../../src/compile/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { compiled } from '../../src/replay/compiled.ts';
import { parseSave } from '../../src/syntax/index.ts';

const text =
  '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n';

test.each([true, false])('with a tree: %s', async (tree) => {
  const before = cachedDataVersionTag();
  const job = {
    rules: { 4: parseSave(text, { file: 'rules', family: 4 }) },
    host: buildHost({ local: ['10.0.0.2'], in: 'eth0' }),
    profile: DEFAULT_PROFILE,
  };
  expect((await compiled(job, { tree })).bytes).toEqual(compile(job, { tree }).bytes);
  expect(cachedDataVersionTag()).toBe(before);
});

test('rules that are refused leave it so, too', async () => {
  const before = cachedDataVersionTag();
  const job = { rules: {}, host: undefined, profile: DEFAULT_PROFILE } as never;
  await expect(compiled(job, { tree: true })).rejects.toThrow();
  expect(cachedDataVersionTag()).toBe(before);
});

test('and the tag would tell', () => {
  const before = cachedDataVersionTag();
  setFlagsFromString('--interrupt-budget=400000');
  const during = cachedDataVersionTag();
  setFlagsFromString('--interrupt-budget=67584');
  expect(during).not.toBe(before);
  expect(cachedDataVersionTag()).toBe(before);
});
