/** UDP, ICMP, ICMPv6, GRE, generic, IPv6, NAT pending, checksums, and what is INVALID before any tracker. */
import { beforeAll, describe, expect, it } from 'vitest';
import { FIELD_FRAGMENT, FIELD_HEADER_ERROR } from '../../../src/abi/fields.ts';
import { compileEngine, MODES, type Module, type Seen, Tracker } from './engine.ts';
import { ACK, icmp, icmpError, ip, SYN, tcp, u16, udp } from './packets.ts';

const A = '10.0.0.1';
const B = '10.0.0.2';
const ROUTER = '10.0.9.9';
const A6 = '2001:db8:0:0:0:0:0:1';
const B6 = '2001:db8:0:1:0:0:0:2';
const LINK6 = 'fe80:0:0:0:0:0:0:1';

describe.each(MODES)('trackers (%s)', (mode) => {
  let module: Module;
  beforeAll(() => {
    module = compileEngine(mode);
  });
  const tracker = (sysctls: Record<string, number> = {}, nat = false): Tracker => new Tracker(module, { sysctls }, nat);
  const left = (t: Tracker, seen: Seen, at: number): number => t.exports.entryExpires(seen.entry, t.jiffies(at));

  describe.each([
    ['IPv4', A, B],
    ['IPv6', A6, B6],
  ])('UDP over %s', (_, a, b) => {
    it('is NEW until answered, lives 30 seconds, and is a stream after two', () => {
      const t = tracker();
      expect(t.send(udp(a, b, 1000, 53), 0)).toMatchObject({ state: 'NEW', direction: 0, unconfirmed: true, status: 0 });
      expect(t.send(udp(a, b, 1000, 53), 1)).toMatchObject({ state: 'NEW', unconfirmed: false, status: 8 });
      const first = t.send(udp(b, a, 53, 1000), 1);
      expect(first).toMatchObject({ state: 'ESTABLISHED', direction: 1, status: 8 | 2 });
      expect(left(t, first, 1)).toBe(30);
      // The stream begins more than two seconds behind the first packet, to the jiffy.
      const exact = t.send(udp(a, b, 1000, 53), 2);
      expect([exact.state, exact.status & 4, left(t, exact, 2)]).toEqual(['ESTABLISHED', 0, 30]);
      const later = t.send(udp(a, b, 1000, 53), 2, {}, 1);
      expect([later.status & 4, left(t, later, 2)]).toEqual([4, 120]);
      expect(t.send(udp(b, a, 53, 1000), 122)).toMatchObject({ state: 'ESTABLISHED' });
    });
    it('expires to the jiffy', () => {
      for (const late of [-1, 0]) {
        const t = tracker();
        t.send(udp(a, b, 1000, 53), 0);
        expect(t.send(udp(b, a, 53, 1000), 30, {}, late).state).toBe(late === 0 ? 'NEW' : 'ESTABLISHED');
      }
    });
    it('tells flows apart by every part of the tuple', () => {
      const t = tracker();
      t.send(udp(a, b, 1000, 53), 0);
      expect(t.send(udp(b, a, 53, 1001), 0).state).toBe('NEW');
      expect(t.send(udp(b, a, 1000, 53), 0).state).toBe('NEW');
      expect(t.send(udp(a, b, 53, 1000), 0).state).toBe('ESTABLISHED');
    });
  });

  it('takes UDP lengths as the kernel does', () => {
    const t = tracker();
    const header = (length: number): number[] => [...u16(1), ...u16(2), ...u16(length), 0, 0, 1, 2];
    expect(t.send(ip(A, B, 17, header(10)), 0).reason).toBe('');
    expect(t.send(ip(A, B, 17, header(8)), 0).reason).toBe('');
    expect(t.send(ip(A, B, 17, header(11)), 0).reason).toBe('truncated/malformed packet');
    expect(t.send(ip(A, B, 17, header(7)), 0).reason).toBe('truncated/malformed packet');
    for (const length of [0, 3, 4, 7]) expect(t.send(ip(A, B, 17, header(10).slice(0, length)), 0).reason).toBe('short packet');
  });

  it('verifies checksums in PREROUTING only, when told to', () => {
    for (const make of [
      () => udp(A, B, 1, 2, 33),
      () => tcp(A, B, { flags: SYN, data: 101 }),
      () => icmp(A, B, 8, 0, 7, [1, 2, 3]),
    ]) {
      for (let bit = 0; bit < 8; bit += 3) {
        const bad = make();
        bad[bad.length - 1]! ^= 1 << bit;
        expect(tracker().send(bad, 0).reason).toBe('bad checksum');
        expect(tracker().send(bad, 0, { output: true }).reason).toBe('');
        expect(tracker({ nf_conntrack_checksum: 0 }).send(bad, 0).reason).toBe('');
        expect(new Tracker(module, { prestack: 'lenient' }).send(bad, 0).reason).toBe('');
      }
    }
    const none = udp(A, B, 1, 2);
    none[26] = 0;
    none[27] = 0;
    expect(tracker().send(none, 0).reason).toBe('');
  });

  it('sums every length of payload right, without reading around it', () => {
    const t = tracker();
    const sizes = [...Array.from({ length: 140 }, (_, index) => index), 1459, 1460, 8000, 65000];
    for (const size of sizes) {
      const good = tcp(A6, B6, { flags: SYN, data: size, sport: size + 1 });
      for (let at = 60; at < good.length; at++) good[at] = (at * 7919 + size) & 255;
      good.fill(0, 56, 58);
      const refilled = ip(A6, B6, 6, [...good.subarray(40)], 16);
      for (const around of [0, 255]) expect(t.send(refilled, 0, { around }).reason, `${size}`).toBe('');
      expect(t.send(refilled, 0, { placeAtEnd: true }).reason, `${size}`).toBe('');
      refilled[refilled.length - 1]! ^= 0x10;
      expect(t.send(refilled, 0).reason, `${size}`).toBe('bad checksum');
    }
  });

  it('pairs ICMP questions and answers', () => {
    for (const [question, answer] of [
      [8, 0],
      [13, 14],
      [15, 16],
      [17, 18],
    ] as const) {
      const t = tracker();
      expect(t.send(icmp(B, A, answer, 0, 7), 0).reason).toBe('ICMP type cannot open a connection');
      expect(t.send(icmp(A, B, question, 0, 7), 0)).toMatchObject({ state: 'NEW', unconfirmed: true });
      expect(t.send(icmp(A, B, question, 0, 7), 0)).toMatchObject({ state: 'NEW', unconfirmed: false });
      expect(t.send(icmp(B, A, answer, 0, 8), 0).state).toBe('INVALID');
      expect(t.send(icmp(A, B, answer, 0, 7), 0).state).toBe('INVALID');
      expect(t.send(icmp(B, A, question, 0, 7), 0)).toMatchObject({ state: 'NEW', unconfirmed: true });
      const reply = t.send(icmp(B, A, answer, 0, 7), 1);
      expect(reply).toMatchObject({ state: 'ESTABLISHED', direction: 1 });
      expect(left(t, reply, 1)).toBe(30);
      const e = t.exports;
      expect([e.entryPort(reply.entry, 0, 1), e.entryPort(reply.entry, 0, 0)]).toEqual([7, question << 8]);
      expect([e.entryPort(reply.entry, 1, 1), e.entryPort(reply.entry, 1, 0)]).toEqual([7, answer << 8]);
      expect(t.send(icmp(A, B, question, 0, 7), 1).state).toBe('ESTABLISHED');
    }
  });

  it('pings itself, even with the identifier that looks like a type', () => {
    const t = tracker();
    t.send(icmp(A, A, 8, 0, 0x800), 0);
    expect(t.send(icmp(A, A, 8, 0, 0x800), 0)).toMatchObject({ state: 'NEW', direction: 0 });
    expect(t.send(icmp(A, A, 0, 0, 0x800), 0)).toMatchObject({ state: 'ESTABLISHED', direction: 1 });
  });

  it('keeps the questions of two hosts apart when the identifier looks like a type', () => {
    const t = tracker();
    t.send(icmp(A, B, 8, 1, 0x801), 0);
    expect(t.send(icmp(B, A, 8, 1, 0x801), 0)).toMatchObject({ state: 'NEW', unconfirmed: true });
    expect(t.send(icmp(B, A, 0, 1, 0x801), 0)).toMatchObject({ state: 'ESTABLISHED', direction: 1 });
    expect(t.send(icmp(B, A, 8, 1, 0x801), 0)).toMatchObject({ state: 'NEW', unconfirmed: false });
  });

  it('finds a connection to itself in the reply direction', () => {
    const t = tracker();
    expect(t.send(udp(A, A, 9, 9), 0)).toMatchObject({ state: 'NEW', direction: 0 });
    expect(t.send(udp(A, A, 9, 9), 0)).toMatchObject({ state: 'ESTABLISHED', direction: 1 });
  });

  it('refuses ICMP types without a partner, unknown ones, and those of the other family', () => {
    for (const type of [1, 2, 6, 7, 9, 10, 19, 40, 255]) {
      expect(tracker().send(icmp(A, B, type, 0, 7), 0).reason, String(type)).toBe('unpaired or unknown ICMP type');
    }
    expect(tracker().send(ip(A, B, 58, [128, 0, 0, 0, 0, 7, 0, 1]), 0).reason).toBe('unpaired or unknown ICMP type');
    expect(tracker().send(ip(A6, B6, 1, [8, 0, 0, 0, 0, 7, 0, 1]), 0).reason).toBe('unpaired or unknown ICMP type');
    expect(tracker().send(ip(A, B, 1, [8, 0, 0, 0, 0, 7, 0]), 0).reason).toBe('short packet');
  });

  describe.each([
    ['IPv4', A, B, ROUTER, 28, 3],
    ['IPv6', A6, B6, '2001:db8:9:0:0:0:0:9', 48, 1],
  ] as const)('errors over %s', (_, a, b, router, header, type) => {
    it('are RELATED to the connection they quote and do not prolong it', () => {
      const t = tracker();
      const quoted = udp(a, b, 1000, 53);
      t.send(quoted, 0);
      const seen = t.send(icmpError(router, a, type, quoted), 10);
      expect(seen).toMatchObject({ state: 'RELATED', direction: 1, reason: '' });
      expect(left(t, seen, 10)).toBe(20);
      // The answer's error travels the original way.
      const back = udp(b, a, 53, 1000);
      t.send(back, 11);
      expect(t.send(icmpError(router, b, type, back), 11)).toMatchObject({ state: 'RELATED', direction: 0 });
    });
    it('need the first eight bytes, a known connection and the right destination', () => {
      const t = tracker();
      const quoted = tcp(a, b, { flags: SYN });
      expect(t.send(icmpError(router, a, type, quoted), 0).reason).toBe('ICMP error for no known connection');
      t.send(quoted, 0);
      const enough = header - 8 + 4;
      expect(t.send(icmpError(router, a, type, quoted, enough), 0).state).toBe('RELATED');
      for (const length of [enough - 1, header - 8, header - 9, 1, 0]) {
        expect(t.send(icmpError(router, a, type, quoted, length), 0).reason, String(length)).toBe(
          'ICMP error with an unparsable inner packet',
        );
      }
      expect(t.send(icmpError(router, router, type, quoted), 0).reason).toBe('ICMP error from the wrong host');
      expect(t.send(icmpError(router, a, type, quoted, enough), 0, { placeAtEnd: true }).state).toBe('RELATED');
    });
    it('quote questions and answers', () => {
      const t = tracker();
      const echo = icmp(a, b, type === 3 ? 8 : 128, 0, 7);
      t.send(echo, 0);
      expect(t.send(icmpError(router, a, type, echo), 0)).toMatchObject({ state: 'RELATED', direction: 1 });
      const odd = icmp(a, b, type === 3 ? 9 : 150, 0, 7);
      expect(t.send(icmpError(router, a, type, odd), 0).reason).toBe('ICMP error with an unparsable inner packet');
    });
  });

  it('does not follow quoted fragments, and skips extension headers', () => {
    const t = tracker();
    const quoted = udp(A, B, 1000, 53);
    t.send(quoted, 0);
    quoted[7] = 1;
    expect(t.send(icmpError(ROUTER, A, 3, quoted), 0).reason).toBe('ICMP error with an unparsable inner packet');
    const plain = udp(A6, B6, 1000, 53);
    t.send(plain, 0);
    const body = [...plain.subarray(40)];
    const destination = [44, 0, 0, 0, 0, 0, 0, 0];
    const first = [17, 0, 0, 1, 0, 0, 0, 9];
    const later = [17, 0, 0, 9, 0, 0, 0, 9];
    const wrap = (fragment: number[]): Uint8Array => ip(A6, B6, 60, [...destination, ...fragment, ...body]);
    expect(t.send(icmpError(B6, A6, 3, wrap(first)), 0).state).toBe('RELATED');
    expect(t.send(icmpError(B6, A6, 3, wrap(later)), 0).state).toBe('INVALID');
    expect(t.send(icmpError(B6, A6, 3, ip(A6, B6, 59, body)), 0).state).toBe('INVALID');
  });

  it('leaves neighbour discovery, multicast listeners and router discovery untracked', () => {
    for (let type = 128; type < 256; type++) {
      const seen = tracker().send(icmp(A6, B6, type, 0, 7), 0);
      if ((type >= 130 && type <= 136) || [143, 151, 152].includes(type))
        expect(seen, String(type)).toMatchObject({ state: 'UNTRACKED', reason: '' });
      else if (type === 128 || type === 139) expect(seen.state, String(type)).toBe('NEW');
      else expect(seen.state, String(type)).toBe('INVALID');
    }
  });

  it('follows a redirect from a neighbour only', () => {
    const t = tracker();
    const quoted = udp(A6, B6, 1000, 53);
    t.send(quoted, 0);
    const redirect = (from: string, ttl: number, option: number[]): Uint8Array =>
      ip(from, A6, 58, [137, 0, 0, 0, 0, 0, 0, 0, ...new Array<number>(32).fill(1), ...option, ...quoted], 2, { ttl });
    const option = [4, 8, 0, 0, 0, 0, 0, 0];
    expect(t.send(redirect(LINK6, 255, option), 0)).toMatchObject({ state: 'RELATED', direction: 1 });
    expect(t.send(redirect(LINK6, 254, option), 0).state).toBe('INVALID');
    expect(t.send(redirect(B6, 255, option), 0).state).toBe('INVALID');
    expect(t.send(redirect(LINK6, 255, [4, 0, 0, 0, 0, 0, 0, 0]), 0).state).toBe('INVALID');
    expect(t.send(redirect(LINK6, 255, [2, 1, 0, 0, 0, 0, 0, 0]), 0).state).toBe('INVALID');
  });

  it('tracks other protocols by addresses for ten minutes', () => {
    const t = tracker();
    expect(t.send(ip(A, B, 50, [1, 2, 3]), 0)).toMatchObject({ state: 'NEW' });
    const reply = t.send(ip(B, A, 50, []), 0);
    expect(reply).toMatchObject({ state: 'ESTABLISHED', direction: 1 });
    expect(left(t, reply, 0)).toBe(600);
    expect(t.send(ip(B, A, 51, []), 0).state).toBe('NEW');
  });

  it('tracks GRE for 30 and 180 seconds, PPTP by call id', () => {
    const t = tracker();
    expect(left(t, t.send(ip(A, B, 47, [0, 0, 8, 0]), 0), 0)).toBe(30);
    t.send(ip(B, A, 47, [0, 0, 8, 0]), 0);
    const seen = t.send(ip(A, B, 47, [0, 0, 8, 0]), 0);
    expect([seen.state, seen.status & 4, left(t, seen, 0)]).toEqual(['ESTABLISHED', 4, 180]);
    const pptp = (id: number): number[] => [0x30, 1, 0x88, 0x0b, 0, 0, ...u16(id)];
    expect(t.send(ip(A, B, 47, pptp(5)), 0).state).toBe('NEW');
    expect(t.send(ip(A, B, 47, pptp(6)), 0)).toMatchObject({ state: 'NEW', unconfirmed: true });
    expect(t.send(ip(A, B, 47, [0x30, 1, 8, 0, 0, 0, 0, 5]), 0).state).toBe('INVALID');
  });

  it('calls fragments and broken header chains INVALID', () => {
    const t = tracker();
    expect(t.send(ip(A, B, 17, [0, 1, 0, 2, 0, 8, 0, 0], -1, { fragment: 1 }), 0).reason).toBe(
      'fragment without defragmentation',
    );
    expect(t.send(ip(A6, B6, 59, [1, 2, 3, 4]), 0).reason).toBe('IPv6 header chain');
    for (const [field, reason] of [
      [FIELD_HEADER_ERROR, 'IPv6 header chain'],
      [FIELD_FRAGMENT, 'fragment without defragmentation'],
    ] as const) {
      // Of a chain that -p could not walk conntrack walks what it can: here, a hop-by-hop header that is not there.
      t.place(field === FIELD_HEADER_ERROR ? ip(A6, B6, 0, []) : udp(A6, B6, 1, 2), t.jiffies(0));
      new DataView(t.exports.memory.buffer).setUint32(t.slot + field * 4, 2, true);
      t.exports.conntrackIn(t.slot, 1);
      expect(t.seen()).toMatchObject({ state: 'INVALID', reason });
    }
  });

  it('leaves untracked packets and packets with an entry alone', () => {
    const t = tracker();
    t.place(udp(A, B, 1, 2), t.jiffies(0));
    t.exports.conntrackUntrack(t.slot);
    t.exports.conntrackIn(t.slot, 1);
    expect(t.seen()).toMatchObject({ state: 'UNTRACKED', entry: 0, status: 0 });
    t.exports.conntrackConfirm(t.slot);
    expect(t.exports.conntrackConfirmed()).toBe(0);
    t.place(udp(A, B, 1, 2), t.jiffies(0));
    t.exports.conntrackIn(t.slot, 0);
    t.exports.conntrackConfirm(t.slot);
    const before = t.seen();
    expect(before).toMatchObject({ state: 'NEW', unconfirmed: false, status: 8 });
    // Over lo: it comes back with its entry, also through NOTRACK.
    t.exports.conntrackUntrack(t.slot);
    t.exports.conntrackIn(t.slot, 1);
    expect(t.seen()).toEqual(before);
  });

  it('consults nat tables once a connection and kind', () => {
    const log: boolean[] = [];
    const look = (t: Tracker) => (slot: number) => {
      for (const source of [0, 1]) {
        const pending = t.exports.natPending(slot, source) !== 0;
        log.push(pending);
        if (pending) t.exports.natDone(slot, source);
      }
      log.push(t.exports.natPending(slot, 0) !== 0);
    };
    const t = tracker({}, true);
    const between = look(t);
    t.send(udp(A, B, 1, 2), 0, { between });
    expect(log.splice(0)).toEqual([true, true, false]);
    t.send(udp(A, B, 1, 2), 0, { between });
    t.send(udp(B, A, 2, 1), 0, { between });
    t.send(icmpError(B, A, 3, udp(A, B, 1, 2)), 0, { between });
    t.send(tcp(A, B, { flags: SYN | ACK }), 0, { between });
    expect(log.splice(0)).toEqual(new Array(12).fill(false));
    // Dropped: the next one is a first packet again.
    t.send(udp(A, B, 5, 6), 0, { between, drop: true });
    t.send(udp(A, B, 5, 6), 0, { between });
    expect(log.splice(0)).toEqual([true, true, false, true, true, false]);
    const without = tracker();
    without.send(udp(A, B, 1, 2), 0, { between: look(without) });
    expect(log.splice(0)).toEqual([false, false, false]);
  });

  it('says 0 seconds of an entry that is not confirmed', () => {
    const t = tracker();
    const between = (): void => expect(left(t, t.seen(), 0)).toBe(0);
    expect(left(t, t.send(udp(A, B, 1, 2), 0, { between }), 0)).toBe(30);
  });

  it('answers what rules ask of an entry', () => {
    for (const [a, b, family] of [
      [A, B, 4],
      [B, A, 4],
      [A6, B6, 6],
      [B6, A6, 6],
    ] as const) {
      const t = tracker();
      const first = t.send(udp(a, b, 1000, 53), 0);
      expect(left(t, first, 0)).toBe(30);
      const e = t.exports;
      const entry = t.send(udp(b, a, 53, 1000), 1).entry;
      const words = (direction: number, source: number): string =>
        [0, 1, 2, 3].map((word) => (e.entryAddress(entry, direction, source, word) >>> 0).toString(16)).join(':');
      const shown: Record<string, string> = {
        [A]: 'a000001:0:0:0',
        [B]: 'a000002:0:0:0',
        [A6]: '20010db8:0:0:1',
        [B6]: '20010db8:1:0:2',
      };
      expect([words(0, 1), words(0, 0), words(1, 1), words(1, 0)]).toEqual([shown[a], shown[b], shown[b], shown[a]]);
      expect([e.entryPort(entry, 0, 1), e.entryPort(entry, 0, 0)]).toEqual([1000, 53]);
      expect([e.entryPort(entry, 1, 1), e.entryPort(entry, 1, 0)]).toEqual([53, 1000]);
      expect([e.entryProtocol(entry), e.entryFamily(entry), e.entryStatus(entry)]).toEqual([17, family, 10]);
    }
  });
});
