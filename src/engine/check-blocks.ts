/** Checks the blocks that other rooms of the engine read without looking: host model, conntrack parameters, interface names. */
import { TRACKING_HZ, TRACKING_SIZE } from '../abi/conntrack.ts';
import * as host from '../abi/host.ts';
import { ImageError } from './image-error.ts';

/** Throws ImageError. */
export function checkBlocks(hostBlock: Uint8Array, conntrack: Uint8Array, interfaces: Uint8Array, hz: number): void {
  checkHost(hostBlock);
  if (conntrack.length < TRACKING_SIZE) throw new ImageError('conntrack', 'conntrack parameters are too short');
  const ticks = view(conntrack).getUint32(TRACKING_HZ, true);
  if (ticks === 0 || ticks !== hz || hz > 100_000) throw new ImageError('conntrack', 'impossible HZ');
  checkInterfaces(interfaces);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function checkHost(bytes: Uint8Array): void {
  const demand = (holds: boolean, what: string): void => {
    if (!holds) throw new ImageError('host', `host model: ${what}`);
  };
  demand(bytes.length >= host.HOST_HEADER_SIZE, 'too short');
  const words = view(bytes);
  const at = (offset: number): number => words.getUint32(offset, true);
  demand(at(host.HOST_MAGIC) === host.HOST_MAGIC_VALUE && at(host.HOST_SIZE) <= bytes.length, 'not one');
  const area = (position: number, size: number, what: string): number => {
    demand(at(position) % 4 === 0 && at(position) + size <= bytes.length, what);
    return at(position);
  };
  area(host.HOST_DEVICES, at(host.HOST_DEVICE_COUNT) * host.DEVICE_SIZE, 'devices');
  area(host.HOST_MACS, at(host.HOST_MAC_COUNT) * 8, 'MACs');
  area(host.HOST_SOLICITED, at(host.HOST_SOLICITED_COUNT) * 4, 'groups');
  area(host.HOST_ADDRESSES, at(host.HOST_ADDRESS_COUNT) * host.ADDRESS_SIZE, 'addresses');
  area(host.HOST_WAYS_BACK, at(host.HOST_WAY_BACK_COUNT) * host.ROUTE_SIZE, 'ways back');
  area(host.HOST_WAYS_OUT, at(host.HOST_WAY_OUT_COUNT) * host.ROUTE_SIZE, 'ways out');
  area(host.HOST_LINK_ROUTES, at(host.HOST_LINK_ROUTE_COUNT) * host.ROUTE_SIZE, 'routes to link-local addresses');
  area(host.HOST_NUMBERS, at(host.HOST_NUMBER_COUNT) * host.NUMBER_SIZE, 'numbers of devices');
  const four = at(host.HOST_V4_COUNT);
  const six = at(host.HOST_V6_COUNT);
  demand(four >= 1 && six >= 1, 'no routes');
  const starts = area(host.HOST_V4_STARTS, four * 4, 'IPv4 ranges');
  area(host.HOST_V4_VALUES, four * 4, 'IPv4 values');
  const first = area(host.HOST_V6_STARTS, six * 16, 'IPv6 ranges');
  area(host.HOST_V6_VALUES, six * 4, 'IPv6 values');
  demand(at(starts) === 0 && words.getBigUint64(first, true) === 0n && words.getBigUint64(first + 8, true) === 0n, 'first range');
  const top = area(host.HOST_V4_TOP, 257 * 4, 'IPv4 index');
  for (let index = 0, before = 0; index < 257; index++) {
    const range = at(top + index * 4);
    demand(range < four && range >= before, 'IPv4 index');
    before = range;
  }
}

function checkInterfaces(bytes: Uint8Array): void {
  const words = view(bytes);
  const count = bytes.length < 8 ? -1 : words.getUint32(host.NAMES_COUNT, true);
  const first = host.NAMES_POSITIONS + (count + 1) * 4;
  if (count < 0 || first > bytes.length) throw new ImageError('interfaces', 'interface names are cut');
  for (let index = 0, before = first; index <= count; index++) {
    const position = words.getUint32(host.NAMES_POSITIONS + index * 4, true);
    if (position < before || position > bytes.length) throw new ImageError('interfaces', 'interface names overlap');
    before = position;
  }
}
