/**
 * What a checksum of a packet is asked with besides (nf_ip_checksum): its IP header, whose own sum is right and so adds nothing, but where the stack has written into its options since it arrived. In INPUT the sum that
 * conntrack made before counts, if it made one; what is forwarded is summed up anew (skb_forward_csum), but for errors of REJECT.
 */
import { RTN_UNICAST } from '../abi/fields.ts';
import { sysctl } from '../model/profile.ts';
import * as ipv4 from './ipv4.ts';
import { compileOptions } from './ipv4-options.ts';
import type { EvaluateContext, PacketView } from './view.ts';

/** Protocols whose packets conntrack sums up as a whole: ICMP, TCP, UDP. */
const SUMMED: readonly number[] = [1, 6, 17];

/** `tracked`: conntrack has looked at the packet in PREROUTING, and no rule had told it not to. `remembered`: whoever asks takes that sum where the packet is forwarded, too (skb_csum_unnecessary). */
export function headerHolds(
  { family, bytes, protocol, inInterface }: Pick<PacketView, 'family' | 'bytes' | 'protocol' | 'inInterface'>,
  { hook, profile, addressType }: Pick<EvaluateContext, 'hook' | 'profile' | 'addressType'>,
  tracked: boolean,
  remembered = false,
): boolean {
  // What this host sends has no header that was written into.
  if (family === 6 || hook === 'OUTPUT') return true;
  const summed = tracked && SUMMED.includes(protocol) && sysctl(profile, 'nf_conntrack_checksum') !== 0 && inInterface !== 'lo';
  if (summed && (hook === 'INPUT' || remembered)) return true;
  const options = bytes.subarray(20, ipv4.headerLength(bytes));
  return !compileOptions(options, (address) => addressType(4, [address]) !== RTN_UNICAST).written;
}
