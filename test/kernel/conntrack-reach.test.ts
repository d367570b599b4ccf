/**
 * Every cell of the state machines of TCP and SCTP, every outcome of TCP's windows and every reason of INVALID, each by a connection of its own, judged by the running kernel: the state
 * of every packet by probe rules, the entries by `conntrack -L`. What is meant to be reached is looked at on the way; a cell that is not reached fails.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createEngine } from '../../src/engine/index.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { listingDifferences } from '../../src/fuzz/listing.ts';
import { runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { ConntrackEntry, PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { INVALID_WORDS } from '../../src/model/reasons.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Frame, Job } from '../../src/model/witness.ts';
import { crc32c } from '../../src/packet/sctp.ts';
import { createReference } from '../../src/reference/index.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { asIpv6 } from './as-ipv6.ts';
import { describeKernel } from './machine.ts';
import { ACK, FIN, ip, RST, SYN, tcp, udp } from './packets.ts';
import { CHUNK, sctpPacket } from './sctp.ts';
import { stampedCapture } from './stamped.ts';
import { STATE_RULES, stateIn } from './virtual-differential.ts';

const [CLIENT, SERVER] = ['198.18.0.1', '198.18.1.2'];
const SERVER_PORT = 80;
type Side = 'client' | 'server';

/** A way into a state, then the packet the cell is about. */
interface Script {
  name: string;
  protocol: number;
  /** The state before the last packet, in conntrack's words; undefined: no connection. */
  state: string | undefined;
  packets: ((port: number) => Uint8Array)[];
}

/** A segment with sequence numbers counted from 1000 (client) and 5000 (server). */
const segment =
  (from: Side, flags: number, [sent, got]: readonly [number, number], data = 0) =>
  (port: number): Uint8Array => {
    const [client, server] = [`${CLIENT} ${port}`, `${SERVER} ${SERVER_PORT}`];
    const seq = ((from === 'client' ? 1000 : 5000) + sent) >>> 0;
    const ack = (flags & ACK) === 0 ? 0 : ((from === 'client' ? 5000 : 1000) + got) >>> 0;
    return from === 'client' ? tcp(client, server, flags, seq, ack, data) : tcp(server, client, flags, seq, ack, data);
  };

const SYN_SENT = [segment('client', SYN, [0, 0])];
const SYN_RECV = [...SYN_SENT, segment('server', SYN | ACK, [0, 1])];
const ESTABLISHED = [...SYN_RECV, segment('client', ACK, [1, 1])];
const FIN_WAIT = [...ESTABLISHED, segment('client', FIN | ACK, [1, 1])];
const CLOSE_WAIT = [...FIN_WAIT, segment('server', ACK, [1, 2])];
const LAST_ACK = [...CLOSE_WAIT, segment('server', FIN | ACK, [1, 2])];
const TIME_WAIT = [...LAST_ACK, segment('client', ACK, [2, 2])];

/** The way into a state, and how many numbers client and server have used up then. */
const TCP_STATES: Record<string, [Script['packets'], number, number]> = {
  NONE: [[], 0, 0],
  SYN_SENT: [SYN_SENT, 1, 0],
  SYN_RECV: [SYN_RECV, 1, 1],
  ESTABLISHED: [ESTABLISHED, 1, 1],
  FIN_WAIT: [FIN_WAIT, 2, 1],
  CLOSE_WAIT: [CLOSE_WAIT, 2, 1],
  LAST_ACK: [LAST_ACK, 2, 2],
  TIME_WAIT: [TIME_WAIT, 2, 2],
  CLOSE: [[...ESTABLISHED, segment('server', RST, [1, 0])], 1, 1],
  SYN_SENT2: [[...SYN_SENT, segment('server', SYN, [0, 0])], 1, 1],
};
/** A packet without any of these flags is refused before the matrix is asked (tcp_valid_flags): its row cannot be reached. */
const TCP_KINDS: Record<string, number> = { SYN, 'SYN/ACK': SYN | ACK, FIN: FIN | ACK, ACK, RST };

/** Without a connection the first packet is the original direction, whoever sends it. */
const sidesIn = (state: string): Side[] => (state === 'NONE' ? ['client'] : ['client', 'server']);

const TCP_CELLS: Script[] = Object.entries(TCP_STATES).flatMap(([state, [way, sentByClient, sentByServer]]) =>
  sidesIn(state).flatMap((from) =>
    Object.entries(TCP_KINDS).map(([kind, flags]) => {
      const numbers = from === 'client' ? ([sentByClient, sentByServer] as const) : ([sentByServer, sentByClient] as const);
      return {
        name: `TCP ${state}, ${from}, ${kind}`,
        protocol: 6,
        state: state === 'NONE' ? undefined : state,
        packets: [...way, segment(from, flags, numbers)],
      };
    }),
  ),
);

const chunk =
  (from: Side, type: number, tag?: number) =>
  (port: number): Uint8Array => {
    const ports = from === 'client' ? ([port, SERVER_PORT] as const) : ([SERVER_PORT, port] as const);
    const bytes = Buffer.from(sctpPacket(from, type, ports, tag));
    return from === 'client' ? ip(CLIENT, SERVER, 132, bytes, -1) : ip(SERVER, CLIENT, 132, bytes, -1);
  };

const HANDSHAKE = [
  chunk('client', CHUNK.INIT),
  chunk('server', CHUNK.INIT_ACK),
  chunk('client', CHUNK.COOKIE_ECHO),
  chunk('server', CHUNK.COOKIE_ACK),
];
const SCTP_STATES: Record<string, Script['packets']> = {
  NONE: [],
  CLOSED: HANDSHAKE.slice(0, 1),
  COOKIE_WAIT: HANDSHAKE.slice(0, 2),
  COOKIE_ECHOED: HANDSHAKE.slice(0, 3),
  ESTABLISHED: HANDSHAKE,
  SHUTDOWN_SENT: [...HANDSHAKE, chunk('client', CHUNK.SHUTDOWN)],
  SHUTDOWN_RECD: [...HANDSHAKE, chunk('server', CHUNK.SHUTDOWN)],
  SHUTDOWN_ACK_SENT: [...HANDSHAKE, chunk('client', CHUNK.SHUTDOWN), chunk('server', CHUNK.SHUTDOWN_ACK)],
  HEARTBEAT_SENT: [chunk('client', CHUNK.HEARTBEAT)],
};

const SCTP_CELLS: Script[] = Object.entries(SCTP_STATES).flatMap(([state, way]) =>
  sidesIn(state).flatMap((from) =>
    Object.entries(CHUNK).map(([kind, type]) => ({
      name: `SCTP ${state}, ${from}, ${kind}`,
      protocol: 132,
      state: state === 'NONE' ? undefined : state,
      packets: [...way, chunk(from, type)],
    })),
  ),
);

/** What the windows say of a segment (8192 both ways), behind an open connection; the state and the reason it must get. */
const WINDOWS: [name: string, packet: (port: number) => Uint8Array, reason: string, log?: RegExp][] = [
  ['in the window', segment('client', ACK, [1, 1], 100), ''],
  ['a little over the upper bound', segment('client', ACK, [1 + 8192 + 1000, 1], 10), '', /bytes more than expected/],
  ['far over the upper bound', segment('client', ACK, [100_000, 1], 10), INVALID_WORDS[15]],
  ['under the lower bound', segment('client', ACK, [-20_000, 1], 10), '', /SEQ is under lower bound/],
  ['acknowledges what was not sent', segment('client', ACK, [1, 1000]), INVALID_WORDS[16]],
  ['acknowledges what is long past', segment('client', ACK, [1, -70_000]), '', /ignored ACK under lower bound/],
  ['a reset from the past', segment('server', RST, [-100, 0]), INVALID_WORDS[14]],
  ['an exact reset', segment('server', RST, [1, 0]), ''],
  ['a reset ahead', segment('server', RST, [50, 0]), ''],
];
const WINDOW_SCRIPTS: Script[] = WINDOWS.map(([name, packet]) => ({
  name: `window: ${name}`,
  protocol: 6,
  state: 'ESTABLISHED',
  packets: [...ESTABLISHED, packet],
}));

/** Spoils a byte behind the IPv4 header, its checksum with it or not. */
const spoilt = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[20 + at] = value;
  return copy;
};
const icmp = (type: number, body: Uint8Array = new Uint8Array(0), to = SERVER): Uint8Array =>
  ip(CLIENT, to, 1, Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 7, 0, 1]), body]), 2);

/** The common header of SCTP alone, with its checksum. */
function withoutChunks(port: number): Uint8Array {
  const header = sctpPacket('client', CHUNK.DATA, [port, SERVER_PORT]).slice(0, 12);
  new DataView(header.buffer).setUint32(8, crc32c(header), true);
  return header;
}

/** Packets without a connection that are INVALID for every other reason, with its word. */
const REASONS: [reason: string, packet: (port: number) => Uint8Array][] = [
  [INVALID_WORDS[3], () => ip(CLIENT, SERVER, 17, Buffer.from([0, 1, 0, 2]), -1)],
  [INVALID_WORDS[4], (port) => spoilt(udp(`${CLIENT} ${port}`, `${SERVER} 53`), 6, 0x55)],
  [INVALID_WORDS[5], () => icmp(40)],
  [INVALID_WORDS[6], () => icmp(0)],
  [INVALID_WORDS[7], () => icmp(3, Uint8Array.of(0x45, 0, 0))],
  [INVALID_WORDS[8], (port) => icmp(3, udp(`${SERVER} ${port}`, `${CLIENT} 53`).subarray(0, 28))],
  [INVALID_WORDS[10], (port) => spoilt(tcp(`${CLIENT} ${port}`, `${SERVER} 80`, SYN), 12, 0x40)],
  [INVALID_WORDS[11], (port) => tcp(`${CLIENT} ${port}`, `${SERVER} 80`, SYN | FIN)],
  [INVALID_WORDS[12], (port) => tcp(`${CLIENT} ${port}`, `${SERVER} 80`, SYN | ACK)],
  [INVALID_WORDS[17], () => ip(CLIENT, SERVER, 17, Buffer.from([0, 1, 0, 2, 0, 40, 0, 0]), -1)],
  [INVALID_WORDS[18], (port) => ip(CLIENT, SERVER, 132, Buffer.from(withoutChunks(port)), -1)],
  [INVALID_WORDS[19], (port) => chunk('client', CHUNK.DATA)(port)],
];

/** An error about a connection, from its end to somebody else than who sent. */
const FOREIGN_ERROR: Script = {
  name: 'ICMP error to the wrong host',
  protocol: 6,
  state: 'SYN_SENT',
  packets: [...SYN_SENT, (port) => icmp(3, SYN_SENT[0]!(port).subarray(0, 28), '198.18.7.7')],
};

const SCRIPTS = [...TCP_CELLS, ...SCTP_CELLS, ...WINDOW_SCRIPTS, FOREIGN_ERROR];

/** Client port of a script, and its packets in order; then those without a connection. */
const portOf = (index: number): number => 20_000 + index;
const ALL = [
  ...SCRIPTS.flatMap(({ packets }, index) => packets.map((packet) => ({ index, bytes: packet(portOf(index)) }))),
  ...REASONS.map(([, packet], index) => ({ index: -1, bytes: packet(40_000 + index) })),
];
/** No next header. */
const withoutUpper = (bytes: Uint8Array): Uint8Array => bytes.with(6, 59);
const isIcmp = (bytes: Uint8Array): boolean => bytes[9] === 1;
/** ICMPv6 has types of its own (test/engine/conntrack/kernel.test.ts): the rest is the same. */
const SENT_IN: Record<Family, typeof ALL> = {
  4: ALL,
  6: [
    ...ALL.filter(({ index, bytes }) => !isIcmp(bytes) && SCRIPTS[index] !== FOREIGN_ERROR).map(({ index, bytes }) => ({
      index,
      bytes: asIpv6(bytes),
    })),
    { index: -1, bytes: withoutUpper(asIpv6(SCRIPTS[0]!.packets[0]!(40_999))) },
  ],
};
/**
 * Reasons of the packets without a connection, in order, and those that nobody has here: fragments are put together before, IPv4 has no header chain, and those of ICMPv6 are in
 * test/engine/conntrack/kernel.test.ts.
 */
const REASONS_IN: Record<Family, string[]> = {
  4: REASONS.map(([reason]) => reason),
  6: [...REASONS.filter(([, packet]) => !isIcmp(packet(1))).map(([reason]) => reason), 'IPv6 header chain'],
};
const ELSEWHERE: Record<Family, readonly string[]> = {
  4: INVALID_WORDS.slice(0, 3),
  6: [...INVALID_WORDS.slice(0, 2), ...INVALID_WORDS.slice(5, 10)],
};

const LOG_INVALID = { 'net.netfilter.nf_conntrack_log_invalid': '255' };

/** Our words, without numbers, and the kernel's. `null`: it logs nothing; what it says in some cases only begins with `?`. */
const KERNEL_WORDS: Record<string, RegExp | null> = {
  'IPv6 header chain': null,
  'short packet': /^(nf_ct_sctp: )?short packet$/,
  'bad checksum': /^(bad (hw icmp )?checksum|nf_ct_sctp: bad CRC)$/,
  'unpaired or unknown ICMP type': /^invalid icmp type$/,
  'ICMP type cannot open a connection': null,
  'ICMP error with an unparsable inner packet': null,
  'ICMP error for no known connection': null,
  'ICMP error from the wrong host': /^outer daddr \S+ != inner \S+$/,
  'truncated packet': /^truncated packet$/,
  'invalid tcp flag combination': /^invalid tcp flag combination$/,
  'invalid new': /^invalid new$/,
  'invalid state': /^packet \(index \d\) in dir [01] invalid, state [A-Z_0-9]+$/,
  'invalid rst': /^invalid rst$/,
  'SEQ is over the upper bound (over the window of the receiver)':
    /^SEQ is over upper bound \d+ \(over the window of the receiver\)$/,
  'ACK is over the upper bound (ACKed data not seen yet)': /^ACK is over upper bound \d+ \(ACKed data not seen yet\)$/,
  'truncated/malformed packet': /^truncated\/malformed packet$/,
  // A message without chunks is refused without a word.
  'SCTP chunks out of order': null,
  'SCTP chunk cannot open a connection': null,
  'verification tag check failed': /^verification tag check failed /,
  'SCTP chunk invalid in this state': /^Invalid, old_state \d, dir [01], type \d+$/,
};

/** Tags of these have rules of their own, whose failure the kernel does not log. */
const OWN_TAG_RULES: readonly number[] = [CHUNK.INIT, CHUNK.ABORT, CHUNK.SHUTDOWN_COMPLETE, CHUNK.COOKIE_ECHO];

/** What differs between a reason and what the kernel logged about the packet. */
function unlikeTheLog(name: string, reason: string, log: readonly string[], bytes: Uint8Array): string[] {
  const wanted = KERNEL_WORDS[reason];
  const silent =
    wanted === null ||
    (reason === 'verification tag check failed' && OWN_TAG_RULES.includes(bytes.at((bytes[0]! >> 4 === 4 ? 20 : 40) + 12)!));
  const fits = silent ? log.length === 0 : wanted !== undefined && log.some((words) => wanted.test(words));
  return fits ? [] : [`${name}: ${reason}, logged: ${log.join('; ')}`];
}

async function askKernel(family: Family, backend: 'legacy' | 'nft') {
  const frames = SENT_IN[family].map(({ bytes }, index) => ({ time: BigInt(index), bytes, direction: 'in' as const }));
  const outcome = await runKernel({
    backend,
    family,
    rules: STATE_RULES,
    topology: 'forward',
    trace: true,
    frames,
    sysctls: LOG_INVALID,
  });
  expect(outcome.packets.filter(({ unsent }) => unsent !== undefined)).toEqual([]);
  return outcome;
}

const stateBefore = (entries: readonly ConntrackEntry[], { protocol }: Script, port: number): string | undefined =>
  entries.find((entry) => entry.protocol === protocol && entry.original.source.port === port)?.state;

describeKernel('reach of connection tracking', () => {
  const panel = ([4, 6] as const).flatMap((family) => (['legacy', 'nft'] as const).map((backend) => ({ family, backend })));
  test.each(panel)(
    'every cell, every window outcome, every reason, IPv$family $backend',
    { timeout: 120_000 },
    async ({ family, backend }) => {
      const SENT = SENT_IN[family];
      const kernel = await askKernel(family, backend);
      const hz = kernel.kernel.hz || DEFAULT_PROFILE.hz;
      const job: Job = {
        rules: { [family]: parseSave(STATE_RULES, { file: `rules.v${family}`, family }) },
        host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
        profile: { ...DEFAULT_PROFILE, backend, hz },
        packets: { path: false },
      };
      const frames: Frame[] = SENT.map(({ bytes }, i) => {
        const time = kernel.packets[i]!.injected;
        return { time, linktype: 101, bytes: Uint8Array.from(bytes), wire: bytes.length, direction: 'in' };
      });

      const told: PacketOutcome[] = [];
      const reference = createReference(job, (outcome) => told.push(outcome));
      reference.startCapture('reach');
      const unreached: string[] = [];
      for (const [i, frame] of frames.entries()) {
        const { index } = SENT[i]!;
        const script = SCRIPTS[index];
        if (script !== undefined && SENT[i + 1]?.index !== index) {
          const state = stateBefore(reference.connections(frame.time), script, portOf(index));
          if (state !== script.state) unreached.push(`${script.name}: ${state}`);
        }
        reference.frame(frame);
      }
      reference.endCapture();
      expect(unreached).toEqual([]);

      const nameOf = (i: number): string => SCRIPTS[SENT[i]!.index]?.name ?? `packet ${i + 1}`;
      const states = kernel.packets.map(({ path }, i) => `${nameOf(i)}: ${stateIn(path)}`);
      expect(told.map(({ ctstate }, i) => `${nameOf(i)}: ${ctstate}`)).toEqual(states);

      const unlike = told.flatMap(({ ctstate, reason }, i) =>
        ctstate === 'INVALID' ? unlikeTheLog(nameOf(i), reason ?? '', kernel.packets[i]!.invalid ?? [], SENT[i]!.bytes) : [],
      );
      expect(unlike).toEqual([]);

      const listing = { text: kernel.conntrack, ...kernel.listed, hz };
      expect(listingDifferences(listing, (at) => reference.connections(at))).toEqual([]);

      const windows = WINDOW_SCRIPTS.map(
        (script) => told[SENT.findLastIndex(({ index }) => SCRIPTS[index] === script)]!.reason ?? '',
      );
      expect(windows).toEqual(WINDOWS.map(([, , reason]) => reason));
      // What is let through without counting is told in the log, too.
      for (const [index, [name, , reason, log]] of WINDOWS.entries()) {
        const last = SENT.findLastIndex((sent) => SCRIPTS[sent.index] === WINDOW_SCRIPTS[index]);
        const words = (kernel.packets[last]!.invalid ?? []).join('; ');
        if (log !== undefined) expect(words, name).toMatch(log);
        else if (reason === '') expect(words, name).toBe('');
      }
      const reasons = REASONS_IN[family];
      expect(told.slice(-reasons.length).map(({ reason }) => reason)).toEqual(reasons);
      const met = new Set(told.flatMap(({ reason }) => reason ?? []));
      expect(INVALID_WORDS.filter((word) => !met.has(word) && !ELSEWHERE[family].includes(word))).toEqual([]);

      const wasm = join('build', 'engine.wasm');
      if (!existsSync(wasm)) throw new Error('build the engine first');
      const byEngine: PacketOutcome[] = [];
      const engine = await createEngine(job, {
        wasm: readFileSync(wasm),
        onPacket: (outcome) => byEngine.push(outcome),
        hashKey: hashKeyOf(job),
      });
      engine.startCapture('reach');
      engine.feed(stampedCapture(frames));
      engine.endCapture();
      engine.result();
      expect(byEngine.map(({ ctstate, reason }, i) => `${nameOf(i)}: ${ctstate} ${reason ?? ''}`)).toEqual(
        told.map(({ ctstate, reason }, i) => `${nameOf(i)}: ${ctstate} ${reason ?? ''}`),
      );
      expect(listingDifferences(listing, (at) => engine.connections(at))).toEqual([]);
    },
  );
});
