/** addrtype with --limit-iface-in or --limit-iface-out (xt_addrtype.c). */
import { FIELD_IN_INTERFACE, FIELD_OUT_INTERFACE } from '../../src/abi/fields.ts';
import { addressTypeOnDevice } from '../stack/index.ts';

/** Parameters: mask of types for the source, for the destination (0: not asked), invert bits, 0 in- or 1 out-device. */
export function addressTypes(parameters: usize, slot: usize): bool {
  const source = load<u32>(parameters);
  const destination = load<u32>(parameters, 4);
  const invert = load<u32>(parameters, 8);
  const device = load<u32>(slot + (load<u32>(parameters, 12) !== 0 ? FIELD_OUT_INTERFACE : FIELD_IN_INTERFACE) * 4);
  if (source !== 0 && has(source, addressTypeOnDevice(slot, false, device)) === ((invert & 1) !== 0)) return false;
  if (destination !== 0 && has(destination, addressTypeOnDevice(slot, true, device)) === ((invert & 2) !== 0)) return false;
  return true;
}

function has(mask: u32, type: u32): bool {
  return ((mask >>> type) & 1) !== 0;
}
