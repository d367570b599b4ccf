/** TCP: every cell of the kernel's matrix by scripted packets, and what is special about it (nf_conntrack_proto_tcp.c of 6.18). */
import { beforeAll, describe, expect, it } from 'vitest';
import { compileEngine, MODES, type Module, type Seen, Tracker } from './engine.ts';
import { ACK, FIN, PSH, RST, SYN, type Tcp, tcp, URG } from './packets.ts';

const NAMES = ['NONE', 'SS', 'SR', 'ES', 'FW', 'CW', 'LA', 'TW', 'CL', 'S2'] as const;
type State = (typeof NAMES)[number];
const C = 1000;
const S = 5000;
const A = '10.0.0.1';
const B = '10.0.0.2';

/** One connection between A:1000 (original) and B:80. */
class Talk {
  readonly tracker: Tracker;
  time = 0;
  constructor(tracker: Tracker) {
    this.tracker = tracker;
  }
  orig(fields: Tcp): Seen {
    return this.tracker.send(tcp(A, B, { sport: 1000, dport: 80, ...fields }), this.time);
  }
  reply(fields: Tcp): Seen {
    return this.tracker.send(tcp(B, A, { sport: 80, dport: 1000, ...fields }), this.time);
  }
  state(seen: Seen): string {
    return NAMES[this.tracker.exports.entryTcpState(seen.entry)]!;
  }
  expires(seen: Seen, seconds = this.time): number {
    return this.tracker.exports.entryExpires(seen.entry, this.tracker.jiffies(seconds));
  }
  open(): Seen {
    this.orig({ flags: SYN, seq: C });
    this.reply({ flags: SYN | ACK, seq: S, ack: C + 1 });
    return this.orig({ flags: ACK, seq: C + 1, ack: S + 1 });
  }
}

/** Packets that lead to each state, and what both sides would say next. */
function reach(talk: Talk, state: State): { client: number; server: number } {
  if (state === 'NONE') return { client: C, server: 0 };
  talk.orig({ flags: SYN, seq: C });
  if (state === 'SS') return { client: C + 1, server: 0 };
  if (state === 'S2') {
    talk.reply({ flags: SYN, seq: S });
    return { client: C + 1, server: S + 1 };
  }
  talk.reply({ flags: SYN | ACK, seq: S, ack: C + 1 });
  if (state === 'SR') return { client: C + 1, server: S + 1 };
  talk.orig({ flags: ACK, seq: C + 1, ack: S + 1 });
  if (state === 'ES') return { client: C + 1, server: S + 1 };
  if (state === 'CL') {
    talk.reply({ flags: RST | ACK, seq: S + 1, ack: C + 1 });
    return { client: C + 1, server: S + 1 };
  }
  talk.orig({ flags: FIN | ACK, seq: C + 1, ack: S + 1 });
  if (state === 'FW') return { client: C + 2, server: S + 1 };
  talk.reply({ flags: ACK, seq: S + 1, ack: C + 2 });
  if (state === 'CW') return { client: C + 2, server: S + 1 };
  talk.reply({ flags: FIN | ACK, seq: S + 1, ack: C + 2 });
  if (state === 'LA') return { client: C + 2, server: S + 2 };
  talk.orig({ flags: ACK, seq: C + 2, ack: S + 2 });
  return { client: C + 2, server: S + 2 };
}

/**
 * The kernel's table, by the facts: IV invalid, IG ignored (accepted, no change). NEW: the entry is killed and the packet opens another;
 * DEL: accepted, and the entry is gone (a RST before any reply).
 */
const EXPECTED: Record<string, string> = {
  //                NONE SS  SR  ES  FW  CW  LA  TW  CL  S2
  'orig syn': 'SS SS IG IG IG IG IG NEW IG S2',
  'orig synack': 'IV IV SR IV IV IV IV IV IV SR',
  'orig fin': 'IV IV FW FW LA LA LA TW CL IV',
  'orig ack': 'ES IV ES ES CW CW TW TW CL IV',
  'orig rst': 'IV DEL CL CL CL CL CL CL CL CL',
  'reply syn': '-- S2 IV IV IV IV IV NEW IV S2',
  'reply synack': '-- SR IG IG IG IG IG IG IG SR',
  'reply fin': '-- IV FW FW LA LA LA TW CL IV',
  'reply ack': '-- IG SR ES CW CW TW TW CL IG',
  'reply rst': '-- DEL CL CL CL CL CL CL CL CL',
};
const CLASSES: Record<string, number> = { syn: SYN, synack: SYN | ACK, fin: FIN | ACK, ack: ACK, rst: RST | ACK };

/** The rows of the table itself, straight from the facts. */
const TABLE: [string, number, number, string][] = [
  ['orig syn', 0, 0, 'SS SS IG IG IG IG IG SS SS S2'],
  ['orig synack', 0, 1, 'IV IV SR IV IV IV IV IV IV SR'],
  ['orig fin', 0, 2, 'IV IV FW FW LA LA LA TW CL IV'],
  ['orig ack', 0, 3, 'ES IV ES ES CW CW TW TW CL IV'],
  ['orig rst', 0, 4, 'IV CL CL CL CL CL CL CL CL CL'],
  ['orig none', 0, 5, 'IV IV IV IV IV IV IV IV IV IV'],
  ['reply syn', 1, 0, 'IV S2 IV IV IV IV IV SS IV S2'],
  ['reply synack', 1, 1, 'IV SR IG IG IG IG IG IG IG SR'],
  ['reply fin', 1, 2, 'IV IV FW FW LA LA LA TW CL IV'],
  ['reply ack', 1, 3, 'IV IG SR ES CW CW TW TW CL IG'],
  ['reply rst', 1, 4, 'IV CL CL CL CL CL CL CL CL CL'],
  ['reply none', 1, 5, 'IV IV IV IV IV IV IV IV IV IV'],
];

describe.each(MODES)('TCP (%s)', (mode) => {
  let module: Module;
  beforeAll(() => {
    module = compileEngine(mode);
  });
  const talk = (sysctls: Record<string, number> = {}): Talk => new Talk(new Tracker(module, { sysctls }));

  it.each(TABLE)('has the row %s', (_, direction, index, row) => {
    const { transition } = new Tracker(module).exports;
    const names = [...NAMES, 'IV', 'IG'];
    const got = NAMES.map((_name, state) => names[transition(direction, index, state)]);
    expect(got.join(' ')).toBe(row);
  });

  describe.each(Object.keys(EXPECTED))('%s', (name) => {
    const [side, kind] = name.split(' ') as ['orig' | 'reply', string];
    const cells = EXPECTED[name]!.split(' ');
    it.each(NAMES.map((state, index) => [state, cells[index]!] as const))('in %s gives %s', (state, expected) => {
      if (expected === '--') return;
      const t = talk();
      const { client, server } = reach(t, state);
      const before = state === 'NONE' ? undefined : stateOf(t);
      if (before) expect(before.state).toBe(state);
      const opening = kind === 'syn' || kind === 'synack';
      const seq = side === 'orig' ? (opening ? C : client) : opening ? S : server || S;
      const ack = kind === 'syn' ? 0 : side === 'orig' ? server : client;
      const seen = t[side]({ flags: CLASSES[kind]!, seq, ack });
      if (expected === 'IV') {
        expect(seen).toMatchObject({ state: 'INVALID', entry: 0, status: 0 });
        expect(seen.reason).toBe(state === 'NONE' ? 'invalid new' : 'invalid state');
        if (before) expect(stateOf(t)?.state).toBe(state);
      } else if (expected === 'IG') {
        expect(seen.reason).toBe('');
        expect(t.state(seen)).toBe(state);
        expect(seen.entry).toBe(before!.entry);
      } else if (expected === 'NEW') {
        expect(seen).toMatchObject({ state: 'NEW', direction: 0, unconfirmed: true });
        expect(t.state(seen)).toBe('SS');
      } else if (expected === 'DEL') {
        expect(seen.state).toBe(side === 'orig' ? 'NEW' : 'ESTABLISHED');
        expect(t.tracker.exports.conntrackLive()).toBe(0);
      } else {
        expect(seen.reason).toBe('');
        expect(t.state(seen)).toBe(expected);
        expect(seen.direction).toBe(side === 'orig' ? 0 : 1);
      }
    });
  });

  function stateOf(t: Talk): { state: string; entry: number } | undefined {
    const entry = t.tracker.onlyEntry();
    return entry === 0 ? undefined : { state: NAMES[t.tracker.exports.entryTcpState(entry)]!, entry };
  }

  it('takes the valid combinations of flags only', () => {
    const valid = new Set([SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG]);
    for (let flags = 0; flags < 64; flags++) {
      const seen = talk().orig({ flags, seq: C, ack: 1 });
      if (valid.has(flags & ~PSH)) expect(seen.reason, String(flags)).not.toBe('invalid tcp flag combination');
      else expect(seen.reason, String(flags)).toBe('invalid tcp flag combination');
    }
  });

  it('is NEW until an answer comes, also when the SYN comes again, and does not live longer for it', () => {
    const t = talk();
    expect(t.orig({ flags: SYN, seq: C })).toMatchObject({ state: 'NEW', unconfirmed: true });
    t.time = 100;
    const again = t.orig({ flags: SYN, seq: C });
    expect(again).toMatchObject({ state: 'NEW', unconfirmed: false });
    expect(t.expires(again)).toBe(20);
    t.time = 119.996;
    expect(t.orig({ flags: SYN, seq: C })).toMatchObject({ state: 'NEW', unconfirmed: false });
    t.time = 120;
    expect(t.orig({ flags: SYN, seq: C })).toMatchObject({ state: 'NEW', unconfirmed: true });
  });

  it('sets SEEN_REPLY behind the first answer and ASSURED at the ACK behind SYN_RECV', () => {
    const t = talk();
    expect(t.orig({ flags: SYN, seq: C }).status).toBe(0);
    const answer = t.reply({ flags: SYN | ACK, seq: S, ack: C + 1 });
    expect(answer).toMatchObject({ state: 'ESTABLISHED', direction: 1, status: 8 | 2 });
    expect(t.expires(answer)).toBe(60);
    const third = t.orig({ flags: ACK, seq: C + 1, ack: S + 1 });
    expect(third).toMatchObject({ state: 'ESTABLISHED', direction: 0, status: 8 | 4 | 2 });
    expect(t.expires(third)).toBe(432000);
  });

  it('lives by the table of timeouts', () => {
    const t = talk();
    t.open();
    let seen = t.orig({ flags: FIN | ACK, seq: C + 1, ack: S + 1 });
    expect([t.state(seen), t.expires(seen)]).toEqual(['FW', 120]);
    seen = t.reply({ flags: ACK, seq: S + 1, ack: C + 2 });
    expect([t.state(seen), t.expires(seen)]).toEqual(['CW', 60]);
    seen = t.reply({ flags: FIN | ACK, seq: S + 1, ack: C + 2 });
    expect([t.state(seen), t.expires(seen)]).toEqual(['LA', 30]);
    seen = t.orig({ flags: ACK, seq: C + 2, ack: S + 2 });
    expect([t.state(seen), t.expires(seen)]).toEqual(['TW', 120]);
    seen = t.reply({ flags: RST | ACK, seq: S + 2, ack: C + 2 });
    expect([t.state(seen), t.expires(seen)]).toEqual(['CL', 10]);
  });

  it('expires to the jiffy', () => {
    for (const [state, seconds] of [
      ['SR', 60],
      ['ES', 432000],
      ['TW', 120],
      ['CL', 10],
    ] as const) {
      for (const late of [-1, 0]) {
        const t = talk();
        const { client, server } = reach(t, state);
        const bytes = tcp(A, B, { flags: ACK, seq: client, ack: server });
        const seen = t.tracker.send(bytes, seconds, {}, late);
        expect(seen.unconfirmed, `${state} ${late}`).toBe(late === 0);
      }
    }
  });

  it('forgets a connection whose first packet was dropped', () => {
    const t = talk();
    const bytes = tcp(A, B, { flags: SYN, seq: C });
    expect(t.tracker.send(bytes, 0, { drop: true })).toMatchObject({ state: 'NEW', unconfirmed: true });
    expect(t.reply({ flags: SYN | ACK, seq: S, ack: C + 1 })).toMatchObject({ state: 'INVALID', reason: 'invalid new' });
    expect(t.orig({ flags: SYN, seq: C })).toMatchObject({ state: 'NEW', unconfirmed: true });
    expect(t.tracker.exports.conntrackConfirmed()).toBe(1);
  });

  it('opens anew after a FIN from either side, with the direction of the new SYN', () => {
    const t = talk();
    reach(t, 'TW');
    const seen = t.reply({ flags: SYN, seq: 90000 });
    expect(seen).toMatchObject({ state: 'NEW', direction: 0, unconfirmed: true });
    expect(t.tracker.exports.entryPort(seen.entry, 0, 1)).toBe(80);
    expect(t.orig({ flags: SYN | ACK, seq: 70000, ack: 90001 })).toMatchObject({ state: 'ESTABLISHED', direction: 1 });
  });

  it('opens anew after a RST of the same side, ignores the SYN after one of the other', () => {
    const same = talk();
    same.open();
    same.orig({ flags: RST | ACK, seq: C + 1, ack: S + 1 });
    expect(same.orig({ flags: SYN, seq: 90000 })).toMatchObject({ state: 'NEW', unconfirmed: true });
    const other = talk();
    reach(other, 'CL');
    const ignored = other.orig({ flags: SYN, seq: 90000 });
    expect(ignored).toMatchObject({ state: 'ESTABLISHED', unconfirmed: false });
    expect(other.state(ignored)).toBe('CL');
    // The answer to the ignored SYN brings us back in step.
    const answer = other.reply({ flags: SYN | ACK, seq: 70000, ack: 90001 });
    expect([answer.state, other.state(answer)]).toEqual(['ESTABLISHED', 'SR']);
    const third = other.orig({ flags: ACK, seq: 90001, ack: 70001 });
    expect([third.state, other.state(third)]).toEqual(['ESTABLISHED', 'ES']);
  });

  it('does not take the challenge ACK in LAST_ACK for the last one', () => {
    const t = talk();
    reach(t, 'LA');
    const ignored = t.orig({ flags: SYN, seq: 90000 });
    expect(t.state(ignored)).toBe('LA');
    const challenge = t.reply({ flags: ACK, seq: S + 2, ack: C + 2 });
    expect([challenge.reason, t.state(challenge)]).toEqual(['', 'LA']);
    // Only once.
    expect(t.state(t.reply({ flags: ACK, seq: S + 2, ack: C + 2 }))).toBe('TW');
  });

  it('establishes a simultaneous open', () => {
    const t = talk();
    t.orig({ flags: SYN, seq: C });
    expect(t.state(t.reply({ flags: SYN, seq: S }))).toBe('S2');
    expect(t.state(t.reply({ flags: SYN | ACK, seq: S, ack: C + 1 }))).toBe('SR');
    expect(t.state(t.reply({ flags: ACK, seq: S + 1, ack: C + 1 }))).toBe('ES');
  });

  it('joins at a plain ACK, for five minutes until an answer, and not at all when strict', () => {
    const t = talk();
    const seen = t.orig({ flags: ACK, seq: C, ack: S });
    expect([seen.state, t.state(seen)]).toEqual(['NEW', 'ES']);
    expect(t.expires(seen)).toBe(300);
    const answer = t.reply({ flags: ACK, seq: S, ack: C });
    expect(answer.state).toBe('ESTABLISHED');
    const next = t.orig({ flags: ACK, seq: C, ack: S });
    expect(next.status & 4).toBe(4);
    expect(t.expires(next)).toBe(432000);
    expect(talk({ nf_conntrack_tcp_loose: 0 }).orig({ flags: ACK, seq: C, ack: S }).reason).toBe('invalid new');
  });

  it('refuses a RST below what the peer acknowledged, keeps the state for one that does not fit exactly', () => {
    const t = talk();
    t.open();
    t.orig({ flags: ACK | PSH, seq: C + 1, ack: S + 1, data: 100 });
    t.reply({ flags: ACK, seq: S + 1, ack: C + 101 });
    expect(t.orig({ flags: RST, seq: C + 50 })).toMatchObject({ state: 'INVALID', reason: 'invalid rst' });
    const ahead = t.orig({ flags: RST, seq: C + 111 });
    expect([ahead.state, t.state(ahead), t.expires(ahead)]).toEqual(['ESTABLISHED', 'ES', 10]);
    const exact = t.orig({ flags: RST, seq: C + 101 });
    expect([t.state(exact), t.expires(exact)]).toEqual(['CL', 10]);
    const liberal = talk({ nf_conntrack_tcp_ignore_invalid_rst: 1 });
    liberal.open();
    liberal.orig({ flags: ACK | PSH, seq: C + 1, ack: S + 1, data: 100 });
    liberal.reply({ flags: ACK, seq: S + 1, ack: C + 101 });
    expect(liberal.orig({ flags: RST, seq: C + 50 }).reason).toBe('');
  });

  it('shortens the life of a connection with unacknowledged data, too many retransmissions or a closed window', () => {
    const t = talk();
    t.open();
    expect(t.expires(t.orig({ flags: ACK | PSH, seq: C + 1, ack: S + 1, data: 10 }))).toBe(300);
    expect(t.expires(t.reply({ flags: ACK, seq: S + 1, ack: C + 11 }))).toBe(432000);
    for (let copies = 0; copies < 2; copies++) expect(t.expires(t.reply({ flags: ACK, seq: S + 1, ack: C + 11 }))).toBe(432000);
    expect(t.expires(t.reply({ flags: ACK, seq: S + 1, ack: C + 11 }))).toBe(300);
    expect(t.expires(t.reply({ flags: ACK, seq: S + 1, ack: C + 11, window: 0 }))).toBe(300);
    expect(t.expires(t.reply({ flags: ACK, seq: S + 1, ack: C + 11 }))).toBe(432000);
  });

  it('calls what lies outside of the window by its name', () => {
    const t = talk();
    t.open();
    expect(t.orig({ flags: ACK, seq: C + 1 + 30000, ack: S + 1 }).reason).toMatch(/^SEQ is over/);
    expect(t.orig({ flags: ACK, seq: C + 1, ack: S + 2 }).reason).toMatch(/^ACK is over/);
    // Under the lower bounds: accepted, nothing changes.
    t.time = 10;
    const old = t.orig({ flags: ACK, seq: C - 20000, ack: S + 1 });
    expect([old.state, t.expires(old)]).toEqual(['ESTABLISHED', 431990]);
    const late = t.orig({ flags: ACK, seq: C + 1, ack: (S - 70000) >>> 0 });
    expect([late.state, t.expires(late)]).toEqual(['ESTABLISHED', 431990]);
    expect(t.expires(t.orig({ flags: ACK, seq: C + 1, ack: S + 1 }))).toBe(432000);
    const liberal = talk({ nf_conntrack_tcp_be_liberal: 1 });
    liberal.open();
    expect(liberal.orig({ flags: ACK, seq: C + 1 + 30000, ack: S + 1 }).reason).toBe('');
  });

  it('scales windows when both sides do', () => {
    const scale = (shift: number): number[] => [1, 3, 3, shift];
    const run = (first: number[], second: number[]): string => {
      const t = talk();
      t.orig({ flags: SYN, seq: C, options: first });
      t.reply({ flags: SYN | ACK, seq: S, ack: C + 1, options: second, window: 1000 });
      t.orig({ flags: ACK, seq: C + 1, ack: S + 1 });
      t.reply({ flags: ACK, seq: S + 1, ack: C + 1, window: 1000 });
      return t.orig({ flags: ACK, seq: C + 1 + 100000, ack: S + 1 }).reason;
    };
    expect(run(scale(7), scale(7))).toBe('');
    expect(run(scale(7), [])).toMatch(/^SEQ is over/);
    expect(run([], scale(7))).toMatch(/^SEQ is over/);
  });

  it('shortens an ASSURED connection when both sides close outside of the window', () => {
    const t = talk();
    t.open();
    expect(t.orig({ flags: FIN | ACK, seq: C + 30000, ack: S + 1 }).state).toBe('INVALID');
    const entry = t.tracker.onlyEntry();
    expect(t.tracker.exports.entryExpires(entry, t.tracker.jiffies(0))).toBe(432000);
    expect(t.reply({ flags: FIN | ACK, seq: S + 30000, ack: C + 1 }).state).toBe('INVALID');
    expect(t.tracker.exports.entryExpires(entry, t.tracker.jiffies(0))).toBe(300);
  });

  it('refuses short headers and bad data offsets', () => {
    const t = talk();
    const whole = tcp(A, B, { flags: SYN, seq: C });
    for (const length of [20, 21, 23, 24, 39]) {
      const cut = whole.slice(0, length);
      expect(t.tracker.send(cut, 0).reason, String(length)).toBe('short packet');
    }
    for (const offset of [0, 4, 6, 15]) {
      const bad = whole.slice();
      bad[32] = offset << 4;
      expect(t.tracker.send(bad, 0).reason, String(offset)).toBe('truncated packet');
    }
  });
});
