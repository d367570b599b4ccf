/** The TCP transition table, cell by cell, by scripted connections. Expectations are those of kernel-semantics 4.6, not of the code. */
import { describe, expect, test } from 'vitest';
import type { Connection } from '../../src/reference/conntrack/connection.ts';
import { Interpreter } from '../../src/reference/interpreter.ts';
import { ACK, FIN, RST, SYN, tcp, URG } from './build.ts';
import { frameOf, jobOf, probes } from './replay.ts';

const CLIENT = '10.0.0.1 1000';
const SERVER = '10.1.0.2 80';
const NAMES = ['NO', 'SS', 'SR', 'ES', 'FW', 'CW', 'LA', 'TW', 'CL', 'S2'];

type Side = 'client' | 'server';
interface Sent {
  side: Side;
  flags: number;
  seq: number;
  ack?: number;
  at?: number;
  window?: number;
}

const c = (flags: number, seq: number, ack?: number): Sent => ({
  side: 'client',
  flags,
  seq,
  ...(ack === undefined ? {} : { ack }),
});
const s = (flags: number, seq: number, ack?: number): Sent => ({
  side: 'server',
  flags,
  seq,
  ...(ack === undefined ? {} : { ack }),
});

/** One conversation under the interpreter; answers the state of each packet and the connection it had. */
class Talk {
  readonly #interpreter: Interpreter;
  connection: Connection | undefined;
  #clock = 0;

  constructor(sysctls: Record<string, number> = {}) {
    this.#interpreter = new Interpreter(jobOf(probes(), undefined, { sysctls }));
  }

  /** `--ctstate` of the packet. */
  send({ side, flags, seq, ack = 0, at, window = 8192 }: Sent): string {
    this.#clock = at ?? this.#clock + 1;
    const [from, to] = side === 'client' ? [CLIENT, SERVER] : [SERVER, CLIENT];
    const processed = this.#interpreter.process(frameOf(tcp(from, to, flags, { seq, ack, window }), this.#clock));
    if ('unseen' in processed) throw new Error('the packet never came in');
    const { packet } = processed;
    if (packet.tracking.kind === 'entry') this.connection = packet.tracking.connection;
    return packet.ctstate === 'INVALID' ? `INVALID: ${packet.invalidReason}` : packet.ctstate;
  }

  get state(): string {
    return NAMES[this.connection?.tcp?.state ?? 0]!;
  }

  /** Seconds left. */
  get left(): number {
    return this.connection!.left(Math.floor((1_700_000_000_000 + this.#clock) / 4)) / 250;
  }
}

const OPEN = [c(SYN, 1000), s(SYN | ACK, 5000, 1001), c(ACK, 1001, 5001)];
const CLOSED = [...OPEN, c(FIN | ACK, 1001, 5001), s(ACK, 5001, 1002), s(FIN | ACK, 5001, 1002), c(ACK, 1002, 5002)];
/** Packets that lead to each state. */
const TO: Record<string, Sent[]> = {
  SS: OPEN.slice(0, 1),
  SR: OPEN.slice(0, 2),
  ES: OPEN,
  FW: CLOSED.slice(0, 4),
  CW: CLOSED.slice(0, 5),
  LA: CLOSED.slice(0, 6),
  TW: CLOSED,
  CL: [...OPEN, c(RST, 1001)],
  S2: [c(SYN, 1000), s(SYN, 5000)],
};

/** SS SR ES FW CW LA TW CL S2; `new`: the entry is replaced by a fresh one. */
const TABLE: Record<Side, Record<string, string>> = {
  client: {
    syn: 'SS IG IG IG IG IG new new S2',
    synack: 'IV SR IV IV IV IV IV IV SR',
    fin: 'IV FW FW LA LA LA TW CL IV',
    ack: 'IV ES ES CW CW TW TW CL IV',
    rst: 'CL CL CL CL CL CL CL CL CL',
    none: 'IV IV IV IV IV IV IV IV IV',
  },
  server: {
    syn: 'S2 IV IV IV IV IV new IV S2',
    synack: 'SR IG IG IG IG IG IG IG SR',
    fin: 'IV FW FW LA LA LA TW CL IV',
    ack: 'IG SR ES CW CW TW TW CL IG',
    rst: 'CL CL CL CL CL CL CL CL CL',
    none: 'IV IV IV IV IV IV IV IV IV',
  },
};
const FLAGS: Record<string, number> = { syn: SYN, synack: SYN | ACK, fin: FIN | ACK, ack: ACK, rst: RST, none: URG };
const STATES = ['SS', 'SR', 'ES', 'FW', 'CW', 'LA', 'TW', 'CL', 'S2'];

/** A packet of that kind with numbers that fit: SYNs repeat theirs, everything else is the next in order. */
function fitting(kind: string, side: Side, before: readonly Sent[]): Sent {
  const flags = FLAGS[kind]!;
  const fins = (from: Side): number => before.filter((one) => one.side === from && (one.flags & FIN) !== 0).length;
  const next = { client: 1001 + fins('client'), server: 5001 + fins('server') };
  const first = { client: 1000, server: 5000 };
  const other = side === 'client' ? 'server' : 'client';
  // In simultaneous open the SYN and the answer to the other's SYN have the same number.
  const seq = (flags & SYN) !== 0 ? first[side] : next[side];
  return { side, flags, seq, ...((flags & ACK) !== 0 ? { ack: next[other] } : {}) };
}

const CELLS = (['client', 'server'] as const).flatMap((side) =>
  Object.entries(TABLE[side]).flatMap(([kind, row]) =>
    row.split(' ').map((expected, i) => ({ side, kind, from: STATES[i]!, expected })),
  ),
);

describe('the transition table', () => {
  test('has all cells', () => {
    expect(CELLS.length).toBe(108);
  });

  test.each(CELLS)('$kind from the $side in $from: $expected', ({ side, kind, from, expected }) => {
    const talk = new Talk();
    for (const one of TO[from]!) talk.send(one);
    expect(talk.state).toBe(from);
    const connection = talk.connection!;
    const answer = talk.send(fitting(kind, side, TO[from]!));
    if (expected === 'IV') {
      expect(answer).toBe(kind === 'none' ? 'INVALID: invalid tcp flag combination' : 'INVALID: invalid state');
      expect(talk.state).toBe(from);
    } else if (expected === 'new') {
      expect(answer).toBe('NEW');
      expect(talk.connection).not.toBe(connection);
      expect(talk.state).toBe('SS');
    } else {
      expect(answer).not.toContain('INVALID');
      expect(talk.connection).toBe(connection);
      expect(talk.state).toBe(expected === 'IG' ? from : expected);
    }
  });
});

describe('the first packet', () => {
  test.each([
    ['SYN', SYN, 'NEW'],
    ['SYN with URG', SYN | URG, 'NEW'],
    ['ACK picks up', ACK, 'NEW'],
    ['SYN/ACK', SYN | ACK, 'INVALID: invalid new'],
    ['FIN', FIN | ACK, 'INVALID: invalid new'],
    ['RST', RST, 'INVALID: invalid new'],
    ['SYN and FIN', SYN | FIN, 'INVALID: invalid tcp flag combination'],
    ['nothing', 0, 'INVALID: invalid tcp flag combination'],
  ])('%s', (_, flags, expected) => {
    expect(new Talk().send(c(flags, 1000, 7))).toBe(expected);
  });

  test('tcp_loose 0 does not pick up', () => {
    expect(new Talk({ nf_conntrack_tcp_loose: 0 }).send(c(ACK, 1000, 7))).toBe('INVALID: invalid new');
  });
});

describe('timeouts', () => {
  test.each([
    ['SS', 120],
    ['SR', 60],
    ['ES', 432000],
    ['FW', 120],
    ['CW', 60],
    ['LA', 30],
    ['TW', 120],
    ['CL', 10],
    ['S2', 120],
  ])('%s: %i s', (state, seconds) => {
    const talk = new Talk();
    for (const one of TO[state]!) talk.send(one);
    expect(talk.left).toBe(seconds);
  });

  test('a picked-up connection without an answer has 300 s, with one 5 days', () => {
    const talk = new Talk();
    talk.send(c(ACK, 1001, 5001));
    expect(talk.left).toBe(300);
    expect(talk.send(s(ACK, 5001, 1001))).toBe('ESTABLISHED');
    // The tracker saw the answer before SEEN_REPLY was set; the next packet gets the whole time.
    expect(talk.left).toBe(300);
    talk.send(c(ACK, 1001, 5001));
    expect(talk.left).toBe(432000);
  });

  test('a repeated SYN does not keep the entry alive, and after its time the connection is new', () => {
    const talk = new Talk();
    talk.send({ ...c(SYN, 1000), at: 0 });
    expect(talk.send({ ...c(SYN, 1000), at: 119_000 })).toBe('NEW');
    expect(talk.left).toBe(1);
    const old = talk.connection;
    expect(talk.send({ ...c(SYN, 1000), at: 120_000 })).toBe('NEW');
    expect(talk.connection).not.toBe(old);
  });

  test('three repetitions of an ACK', () => {
    const talk = new Talk();
    for (const one of OPEN) talk.send(one);
    for (let i = 0; i < 3; i++) talk.send(c(ACK, 1001, 5001));
    expect(talk.left).toBe(300);
  });

  test('a window of nothing', () => {
    const talk = new Talk();
    for (const one of OPEN) talk.send(one);
    talk.send({ ...s(ACK, 5001, 1001), window: 0 });
    expect(talk.left).toBe(300);
  });
});

describe('resets', () => {
  test('the only answer to a SYN removes the entry', () => {
    const talk = new Talk();
    talk.send(c(SYN, 1000));
    const first = talk.connection;
    expect(talk.send(s(RST | ACK, 0, 1001))).toBe('ESTABLISHED');
    expect(talk.send(c(SYN, 1000))).toBe('NEW');
    expect(talk.connection).not.toBe(first);
  });

  test('below what was acknowledged: invalid; inexact: the connection stays with 10 s; exact: closed', () => {
    const talk = new Talk();
    for (const one of OPEN) talk.send(one);
    talk.send(s(ACK, 5001, 1001));
    expect(talk.send(c(RST, 1000))).toBe('INVALID: invalid rst');
    expect(talk.send(c(RST, 1101))).toBe('ESTABLISHED');
    expect(talk.state).toBe('ES');
    expect(talk.left).toBe(10);
    talk.send(s(ACK, 5001, 1001));
    talk.send(c(RST, 1001));
    expect(talk.state).toBe('CL');
  });

  test('ignore_invalid_rst takes it all the same', () => {
    const talk = new Talk({ nf_conntrack_tcp_ignore_invalid_rst: 1 });
    for (const one of OPEN) talk.send(one);
    talk.send(s(ACK, 5001, 1001));
    expect(talk.send(c(RST, 1000))).toBe('ESTABLISHED');
  });
});

describe('windows', () => {
  test('sequence and acknowledgement over the bound are invalid, under it ignored', () => {
    const talk = new Talk();
    for (const one of OPEN) talk.send(one);
    talk.send(s(ACK, 5001, 1001));
    expect(talk.send(c(ACK, 1_001_001, 5001))).toContain('INVALID: SEQ is over the upper bound');
    expect(talk.send(c(ACK, 1001, 9001))).toContain('INVALID: ACK is over the upper bound');
    expect(talk.send(c(ACK, 1001 - 100_000 + 4294967296, 5001))).toBe('ESTABLISHED');
    expect(talk.send(c(ACK, 1001, 5001 - 70_000 + 4294967296))).toBe('ESTABLISHED');
  });

  test('be_liberal takes everything', () => {
    const talk = new Talk({ nf_conntrack_tcp_be_liberal: 1 });
    for (const one of OPEN) talk.send(one);
    expect(talk.send(c(ACK, 1_001_001, 5001))).toBe('ESTABLISHED');
  });
});

test('an ignored SYN that the server answers brings the entry back into step', () => {
  const talk = new Talk();
  for (const one of OPEN) talk.send(one);
  expect(talk.send(c(SYN, 900_000))).toBe('ESTABLISHED');
  expect(talk.state).toBe('ES');
  talk.send(s(SYN | ACK, 700_000, 900_001));
  expect(talk.state).toBe('SR');
  expect(talk.send(c(ACK, 900_001, 700_001))).toBe('ESTABLISHED');
  expect(talk.state).toBe('ES');
});

test('a challenge ACK in LAST_ACK is not the last ACK', () => {
  const talk = new Talk();
  for (const one of TO.LA!) talk.send(one);
  talk.send(c(SYN, 900_000));
  talk.send(s(ACK, 5002, 1002));
  expect(talk.state).toBe('LA');
  talk.send(s(ACK, 5002, 1002));
  expect(talk.state).toBe('TW');
});
