/** The helpers by number, and what every packet of a connection with one goes through (nf_confirm in net/netfilter/nf_conntrack_proto.c). */
import { HELPER_AMANDA, HELPER_FTP, HELPER_IRC, HELPER_SANE, HELPER_TFTP } from '../../../abi/helpers.ts';
import type { Packet } from '../../packet.ts';
import type { Connection } from '../connection.ts';
import type { ExpectationTable } from '../expectations.ts';
import { amanda } from './amanda.ts';
import { ftp } from './ftp.ts';
import type { Help, Helper } from './helper.ts';
import { irc } from './irc.ts';
import { sane } from './sane.ts';
import { tftp } from './tftp.ts';

const HELPERS: ReadonlyMap<number, Helper<never>> = new Map([
  [HELPER_FTP, ftp as Helper<never>],
  [HELPER_TFTP, tftp as Helper<never>],
  [HELPER_IRC, irc as Helper<never>],
  [HELPER_SANE, sane as Helper<never>],
  [HELPER_AMANDA, amanda as Helper<never>],
]);

/** The help of a new connection; null for HELPER_NONE. */
export function helpOf(number: number): Help | null {
  const helper = HELPERS.get(number);
  if (helper === undefined) return null;
  return { helper: helper as unknown as Helper, memory: helper.remember(), expectations: [] };
}

/** The helper of another connection, which knows nothing of the new one yet. */
export function sameHelp({ help }: Connection): Help | null {
  return help === null ? null : { helper: help.helper, memory: help.helper.remember(), expectations: [] };
}

/** The packet is about to be confirmed. False: its connection's helper drops it. */
export function runHelper(packet: Packet, expectations: ExpectationTable): boolean {
  if (packet.tracking.kind !== 'entry') return true;
  const { connection, direction, state } = packet.tracking;
  const { help } = connection;
  // Errors about answers; those about what was sent come through, as they do in the kernel.
  if (help === null || (state === 'RELATED' && direction === 1)) return true;
  const expect = (foreseen: Parameters<ExpectationTable['expect']>[2]): boolean =>
    expectations.expect(connection, help, foreseen, packet.now, packet.hz);
  return help.helper.help({ packet, connection, direction, state, memory: help.memory, expect }) === 'accept';
}
