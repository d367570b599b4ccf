/** What the trackers of single protocols share. */
import type { Profile } from '../../model/profile.ts';
import { sysctl } from '../../model/profile.ts';
import { checksumRight, pseudoHeaderSum } from '../../packet/checksum.ts';
import type { Packet } from '../packet.ts';
import type { Connection, Direction } from './connection.ts';
import type { ConnectionTable } from './table.ts';
import type { SourceKey } from './tuple.ts';
import type { Zone } from './zone.ts';

export interface TrackerContext {
  profile: Profile;
  table: ConnectionTable;
  /** The zone the packet is tracked in. */
  zone: Zone;
  /** Of GRE. */
  sourceKey: SourceKey;
  /** HELPER_* (abi/helpers.ts) that a connection is assigned to when it begins. */
  helper: number;
  /** The packet is at PREROUTING and came off the wire: checksums are verified there only. */
  verify: boolean;
}

/** A packet of a connection: already in the table, or just made and not confirmed. */
export interface Tracked {
  packet: Packet;
  connection: Connection;
  direction: Direction;
}

/** `accept`: the packet belongs to the connection. A number: INVALID, an INVALID_* reason. `repeat`: the entry is gone, look again. */
export type TrackerResult = 'accept' | 'repeat' | number;

/** nf_ct_refresh_acct: what keeps a connection alive counts, what is let through without doing so does not. */
export function refresh({ packet, connection, direction }: Tracked, jiffies: number): void {
  connection.refresh(jiffies, packet.now);
  connection.account(direction, packet.length);
}

/** A timeout sysctl in jiffies. */
export function timeoutOf(context: TrackerContext, name: string): number {
  return sysctl(context.profile, name) * context.profile.hz;
}

/** nf_checksum over everything behind the IP header, or the first `covered` bytes of it. `pseudo`: with the pseudo header of that protocol number. Packets the capture cut cannot be summed up. */
export function checksumFails(packet: Packet, context: TrackerContext, pseudo: number | null, covered?: number): boolean {
  const { profile } = context;
  if (!context.verify || sysctl(profile, 'nf_conntrack_checksum') === 0 || profile.prestack === 'lenient') return false;
  if (packet.unfinished) return false;
  const { source, destination, upper } = packet;
  // The kernel sums the IP header up, too; being right, it adds 0xffff, so that a message of zeros alone passes.
  const start = pseudo === null ? 0xffff : pseudoHeaderSum(source, destination, pseudo, upper.length);
  const fails = !checksumRight(covered === undefined ? upper : upper.subarray(0, covered), start);
  if (!fails && covered === undefined) packet.summed = true;
  return fails;
}
