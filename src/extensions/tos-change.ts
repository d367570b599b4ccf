/** A new TOS byte or traffic class, for the targets TOS, DSCP and ECN. */
import { u16 } from '../packet/bytes.ts';
import { putIpv4Byte, putU16 } from '../packet/rewrite.ts';
import type { PacketView } from '../packet/view.ts';
import type { TargetEffects } from './extension.ts';

/** tos = (tos & ~mask) ^ value, by ipv4_change_dsfield or ipv6_change_dsfield (include/net/dsfield.h), or, `replaced`, by csum_replace2. Nothing is written where nothing changes. */
export function changeTos(mask: number, value: number, replaced: boolean, packet: PacketView, effects: TargetEffects): void {
  const wanted = ((packet.tos & ~mask) ^ value) & 0xff;
  if (wanted === packet.tos) return;
  const bytes = new Uint8Array(packet.bytes);
  if (packet.family === 6) putU16(bytes, 0, (u16(bytes, 0) & 0xf00f) | (wanted << 4));
  else if (replaced) putIpv4Byte(bytes, 1, wanted);
  else {
    // One sum of two ways to write it is taken.
    let check = u16(bytes, 10) + packet.tos;
    if (check + 1 > 0xffff) check = (check + 1) & 0xffff;
    check -= wanted;
    bytes[1] = wanted;
    putU16(bytes, 10, (check < 0 ? check - 1 : check) & 0xffff);
  }
  effects.rewrite(bytes);
}
