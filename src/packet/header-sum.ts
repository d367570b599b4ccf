/**
 * What a checksum of a packet is asked with besides (nf_ip_checksum): its IP header, whose own sum is right and so adds nothing, but where the stack has written into its options since it arrived. What is forwarded is summed up anew
 * (skb_forward_csum); in INPUT the sum counts that conntrack made before, if it made one, whatever rules have done to the packet since.
 */
import { RTN_UNICAST } from '../abi/fields.ts';
import * as ipv4 from './ipv4.ts';
import { compileOptions } from './ipv4-options.ts';
import type { EvaluateContext, PacketView } from './view.ts';

/** The packet's checksum is taken for right without being asked again. */
export const isKnownRight = ({ summed }: Pick<PacketView, 'summed'>, { hook }: Pick<EvaluateContext, 'hook'>): boolean =>
  summed && hook === 'INPUT';

/** The header adds nothing. */
export function headerHolds(
  { family, bytes }: Pick<PacketView, 'family' | 'bytes'>,
  { hook, addressType }: Pick<EvaluateContext, 'hook' | 'addressType'>,
): boolean {
  // What this host sends has no header that was written into.
  if (family === 6 || hook === 'OUTPUT') return true;
  const options = bytes.subarray(20, ipv4.headerLength(bytes));
  return !compileOptions(options, (address) => addressType(4, [address]) !== RTN_UNICAST).written;
}
