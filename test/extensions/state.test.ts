/** What recent takes and keeps, by kernel. */
import { describe, expect, it } from 'vitest';
import { mostHits } from '../../src/extensions/recent.ts';
import { RecentList, type RecentQuestion } from '../../src/extensions/recent-list.ts';
import { parseSaveAll } from '../../src/syntax/index.ts';

const text = (hits: number): string => `*filter\n-A INPUT -m recent --rcheck --hitcount ${hits}\nCOMMIT\n`;
const refused = (hits: number, kernel: '6.1' | '6.18'): boolean =>
  parseSaveAll(text(hits), { file: 'rules', family: 4, kernel }).errors.length > 0;

describe('recent by kernel', () => {
  it('takes 255 hits on 6.1 and 65535 on 6.18', () => {
    expect([mostHits('6.1'), mostHits('6.12'), mostHits('6.18')]).toEqual([255, 65535, 65535]);
    expect([refused(255, '6.1'), refused(256, '6.1'), refused(256, '6.18'), refused(65536, '6.18')]).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  it('counts 255 of 256 stamps where the index is a byte', () => {
    const asked: RecentQuestion = { deed: 'rcheck', invert: false, seconds: 0, reap: false, hits: 255, ttl: false };
    const kept = (places: number, deed: 'set' | 'rcheck', hits: number, count: number): boolean => {
      const list = new RecentList([0xffffffff], places);
      list.keep(255);
      let answer = false;
      for (let i = 0; i < count; i++) answer = list.evaluate({ ...asked, deed: 'set', hits: 0 }, 4, [1], 64, BigInt(i), 250);
      if (deed === 'rcheck') answer = list.evaluate({ ...asked, hits }, 4, [1], 64, 400n, 250);
      return answer;
    };
    expect([kept(0xff, 'rcheck', 255, 300), kept(0xff, 'rcheck', 256, 300), kept(0xffff, 'rcheck', 256, 300)]).toEqual([
      true,
      false,
      true,
    ]);
  });
});
