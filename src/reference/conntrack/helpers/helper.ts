/** What a connection tracking helper is: one file each, told of every packet of the connections it was assigned to (struct nf_conntrack_helper). */
import type { CtState } from '../../../model/outcome.ts';
import type { Kernel } from '../../../model/profile.ts';
import type { Words } from '../../../model/ruleset.ts';
import * as tcp from '../../../packet/tcp.ts';
import type { Packet } from '../../packet.ts';
import type { Calls } from '../calls.ts';
import type { Connection, Direction } from '../connection.ts';
import type { Expectation, Expected, Foreseen } from '../expectations.ts';
import type { Tuple } from '../tuple.ts';

export interface Helper<Memory = unknown> {
  /** The kernel's name. */
  name: string;
  /** Of what it expects; where there are classes, of each. */
  policy: Policy | readonly Policy[];
  /** What it remembers of a new connection. */
  remember(): Memory;
  /** A packet of the connection, where it would be confirmed. `drop`: the packet is dropped there. */
  help(seen: Seen<Memory>): 'accept' | 'drop';
}

/** How many connections may be expected for one master, and for how long. */
export interface Policy {
  most: number;
  seconds: number;
}

/** A helper's part of a connection. */
export interface Help<Memory = unknown> {
  helper: Helper<Memory>;
  memory: Memory;
  /** In force or over, the newest first. */
  expectations: Expectation[];
}

export interface Seen<Memory = unknown> {
  packet: Packet;
  connection: Connection;
  direction: Direction;
  state: CtState;
  memory: Memory;
  /** The connection's addresses are translated. */
  translated: boolean;
  /** Of a broadcast of this host, on its way out: the netmask of the network it is for. null: of all else. */
  broadcastMask: number | null;
  calls: Calls;
  kernel: Kernel;
  /** Packets to both addresses are handed to the same neighbour. */
  onSameSide(one: Words, other: Words): boolean;
  expect(foreseen: Foreseen): Expected;
  /** What the connection made expected, the newest first; over or not. */
  expectations(): readonly Expectation[];
  forget(expectation: Expectation): void;
  /** What is expected already for a tuple, by whomever. */
  expectedAlready(tuple: Tuple): Expectation | undefined;
  /** Another connection with the same helper expects it. */
  isOfOther(expectation: Expectation): boolean;
  /** What was expected just now is not. */
  unexpect(): void;
  /** The kernel draws lots for a port. */
  noteDrawn(): void;
}

/** What cannot be expected had better not be said. */
export const expecting = (seen: Seen<unknown>, foreseen: Foreseen): 'accept' | 'drop' =>
  seen.expect(foreseen) === 'expected' ? 'accept' : 'drop';

/** Both or none. `good`: answers as good as being expected. */
export function expectPair(seen: Seen<unknown>, rtp: Foreseen, rtcp: Foreseen, good: readonly Expected[]): Expected {
  const first = seen.expect(rtp);
  if (!good.includes(first)) return first;
  const second = seen.expect(rtcp);
  if (good.includes(second)) return 'expected';
  if (first === 'expected') seen.unexpect();
  return second;
}

/** The tuple of a direction. */
export const tupleIn = ({ connection }: Seen<unknown>, direction: Direction): Tuple =>
  direction === 0 ? connection.original : connection.reply;

/** Data of a TCP segment: `bytes` are those the capture holds, `length` those there were. null: none. */
export function tcpData(packet: Packet): { bytes: Uint8Array; length: number; sequence: number } | null {
  if (!tcp.hasHeader(packet.upper)) return null;
  const header = tcp.headerLength(packet.upper);
  const length = packet.length - packet.upperOffset - header;
  if (length <= 0) return null;
  return { bytes: packet.upper.subarray(header), length, sequence: tcp.sequence(packet.upper) };
}

/** All addresses, all ports: bits of a mask that ask nothing or everything. */
export const anySource = (like: Words): Expectation['mask'] => ({ source: like.map(() => 0), sourcePort: 0 });
export const thisSource = (like: Words): Expectation['mask'] => ({ source: like.map(() => 0xffffffff), sourcePort: 0 });
