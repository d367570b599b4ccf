/** TPROXY: a transparent socket of this host takes the packet (xt_TPROXY.c, nf_tproxy_ipv4.c, nf_tproxy_ipv6.c); parameters as abi/effects.ts lists them. */
import { TPROXY_HEAD, TPROXY_SOCKET } from '../../src/abi/effects.ts';
import {
  FIELD_DESTINATION,
  FIELD_DPORT,
  FIELD_FAMILY,
  FIELD_FRAGMENT,
  FIELD_IN_INTERFACE,
  FIELD_L4_LENGTH,
  FIELD_MARK,
  FIELD_PROTOCOL,
} from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import { firstAddress } from '../stack/source.ts';
import { giveSocket } from '../stack/turn.ts';

const TCP: u32 = 6;
const TCP_HEADER: u32 = 20;
const UDP_HEADER: u32 = 8;

/** False when there is no socket for it, and it is dropped. */
export function passesTproxy(parameters: usize, slot: usize): bool {
  const protocol = load<u32>(slot, FIELD_PROTOCOL * 4);
  // Of an IPv6 fragment that is not the first the kernel does not find the ports: it reads the IPv6 header, where the destination's would be in the flow label.
  const lost = load<u32>(slot, FIELD_FAMILY * 4) === 6 && load<u32>(slot, FIELD_FRAGMENT * 4) !== 0;
  if (!lost && load<u32>(slot, FIELD_L4_LENGTH * 4) < (protocol === TCP ? TCP_HEADER : UDP_HEADER)) return false;
  const given = load<u32>(parameters, 8);
  const own = lost ? (bswap(load<u16>(load<u32>(slot, PACKET_IP), 2)) as u32) : load<u32>(slot, FIELD_DPORT * 4);
  const port = given !== 0 ? given : own;
  if (!listens(parameters, protocol, port, addressFor(parameters, slot))) return false;
  store<u32>(slot, (load<u32>(slot, FIELD_MARK * 4) & ~load<u32>(parameters)) ^ load<u32>(parameters, 4), FIELD_MARK * 4);
  giveSocket();
  return true;
}

/** Four words: the address that is named, else the in-device's first, else the packet's own. */
function addressFor(parameters: usize, slot: usize): usize {
  if (load<u32>(parameters, 12) !== 0) return parameters + 16;
  const own = firstAddress(load<u32>(slot, FIELD_FAMILY * 4), load<u32>(slot, FIELD_IN_INTERFACE * 4));
  return own !== 0 ? own : slot + FIELD_DESTINATION * 4;
}

function listens(parameters: usize, protocol: u32, port: u32, address: usize): bool {
  const sockets = parameters + TPROXY_HEAD * 4;
  const count = load<u32>(sockets - 4);
  for (let index: u32 = 0; index < count; index++) {
    const socket = sockets + (index as usize) * (TPROXY_SOCKET * 4);
    if (load<u32>(socket) !== protocol || load<u32>(socket, 4) !== port) continue;
    if (load<u32>(socket, 8) === 0 || memory.compare(socket + 12, address, 16) === 0) return true;
  }
  return false;
}
