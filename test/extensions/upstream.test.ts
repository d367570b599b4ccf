/** The list of iptables' own extensions, against the objects installed here. */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { extensions, findMatch, findTarget } from '../../src/extensions/index.ts';
import { isUpstream, upstream } from '../../src/extensions/upstream.ts';

const OBJECTS = '/usr/lib/x86_64-linux-gnu/xtables';

describe('upstream', () => {
  const files = upstream.map(
    ({ name, families }) => `lib${families.length === 2 ? 'xt' : families[0] === 4 ? 'ipt' : 'ip6t'}_${name}.so`,
  );

  it('has 105 entries, none twice', () => {
    expect(new Set(files).size).toBe(105);
    expect(files.length).toBe(105);
  });

  it.skipIf(!existsSync(OBJECTS))('is what iptables 1.8.9 installs', () => {
    const installed = readdirSync(OBJECTS).filter((name) => /^lib(xt|ipt|ip6t)_/.test(name));
    expect([...files].sort()).toEqual(installed.sort());
  });

  it('knows every extension of ours', () => {
    for (const { name, kind, families } of extensions) {
      for (const family of families) expect(isUpstream(name, kind, family), name).toBe(true);
    }
    expect(isUpstream('recent', 'match', 4)).toBe(true);
    expect(isUpstream('nonsense', 'match', 4)).toBe(false);
  });
});

describe('registry', () => {
  it('finds by name, family and other name', () => {
    expect(findMatch('tcp', 6)?.name).toBe('tcp');
    expect(findMatch('icmpv6', 6)?.name).toBe('icmp6');
    expect(findMatch('icmp6', 4)).toBeUndefined();
    expect(findMatch('constructor', 4)).toBeUndefined();
    expect(findTarget('REJECT', 4)?.name).toBe('REJECT');
    expect(findMatch('REJECT', 4)).toBeUndefined();
  });
});
