/** The networks that devices have addresses of. */
import { ADDRESS_BROADCAST, ADDRESS_DEVICE, ADDRESS_FAMILY, ADDRESS_PREFIX, ADDRESS_SIZE } from '../../src/abi/host.ts';
import { addressCount, hostAddresses } from './host.ts';

/** The netmask of the IPv4 network of a device that has this broadcast address; 0 when none has. */
export function broadcastMask(device: u32, address: u32): u32 {
  for (let index: u32 = 0; index < addressCount; index++) {
    const entry = hostAddresses + (index as usize) * ADDRESS_SIZE;
    if (load<u32>(entry, ADDRESS_FAMILY) !== 4 || load<u32>(entry, ADDRESS_DEVICE) !== device) continue;
    const prefix = load<u32>(entry, ADDRESS_PREFIX);
    if (prefix !== 0 && address !== 0 && load<u32>(entry, ADDRESS_BROADCAST) === address) return 0xffffffff << (32 - prefix);
  }
  return 0;
}
