/** `--addr`: devices and their addresses, as `ip -j addr` prints them. */
import { parseAddress, widthOf } from './address.ts';
import { checkDeviceName } from './device-names.ts';
import { HostError } from './errors.ts';
import { type Host, type HostInterface, interfaceNamed } from './host.ts';
import { type IpEntry, ipEntries, shown } from './ip-json.ts';
import { placeOf } from './json-place.ts';
import type { Family } from './ruleset.ts';

const MTU_MAXIMUM = 0x7fff_ffff;
const INDEX_MAXIMUM = 0x7fff_ffff;

/** Gives the host what a file tells. Out: the names of its devices. @throws HostError. */
export function readAddresses(host: Host, json: unknown): ReadonlySet<string> {
  const list = ipEntries(json, '--addr').filter(({ fields }) => Object.keys(fields).length > 0);
  if (!list.some(({ fields }) => fields.addr_info !== undefined)) {
    const areRoutes = list.some(({ fields }) => fields.dst !== undefined);
    const hint = areRoutes ? 'this is what "ip -j route" prints: it goes with --route' : 'make it with "ip -j addr"';
    throw new HostError('--addr: no "addr_info" in it, so no address', { ...placeOf(json, [0]), hint });
  }
  const names = new Set<string>();
  for (const entry of list) {
    const name = entry.text('ifname');
    if (name === undefined) throw entry.error(`an entry without "ifname": ${shown(entry.fields)}`);
    checkDeviceName(entry, 'ifname', name);
    if (names.has(name)) throw entry.error(`${name} stands twice: one file is for one machine`, { at: 'ifname' });
    readDevice(host, interfaceNamed(host, name), entry);
    names.add(name);
  }
  return names;
}

function readDevice(host: Host, device: HostInterface, entry: IpEntry): void {
  const { name } = device;
  const { link_type: kind } = entry.fields;
  if (name === 'lo') device.addresses = [];
  const link = entry.text('address');
  const mac = macOf(link);
  if (link !== undefined && mac === undefined && kind === 'ether')
    throw entry.error(`${name}: "address" wants six bytes in hex, got ${shown(link)}`, { at: 'address' });
  if (mac !== undefined && kind !== 'loopback' && name !== 'lo') device.mac = mac;
  const mtu = entry.number('mtu', MTU_MAXIMUM);
  // No device that sends IP has one of 0 (below 68 the kernel switches IPv4 off): the engine says so of one that is not known.
  if (mtu !== undefined && mtu !== 0) device.mtu = mtu;
  const index = entry.number('ifindex', INDEX_MAXIMUM);
  if (index !== undefined) device.index = checkedIndex(host, device, index, entry);
  if (isPort(entry)) device.isPort = true;
  for (const info of entry.entries('addr_info', `${name}: `)) readAddress(device, info);
}

/** It has a master that takes its packets. Those of a VRF stay its own; only `ip -d` tells. */
function isPort(entry: IpEntry): boolean {
  const { linkinfo } = entry.fields;
  const kind = typeof linkinfo === 'object' && linkinfo !== null && 'info_slave_kind' in linkinfo ? linkinfo.info_slave_kind : '';
  return entry.text('master') !== undefined && kind !== 'vrf';
}

function checkedIndex(host: Host, device: HostInterface, index: number, entry: IpEntry): number {
  const other = host.interfaces.find((one) => one !== device && one.index === index);
  const at = 'ifindex';
  if (index === 0) throw entry.error(`${device.name}: "ifindex" wants a number from 1 on, got 0`, { at });
  if (other === undefined) return index;
  throw entry.error(`${device.name}: "ifindex" ${index} is that of ${other.name}, too: one file is for one machine`, { at });
}

function readAddress({ name, addresses }: HostInterface, entry: IpEntry): void {
  const { fields } = entry;
  if (fields.family === undefined)
    throw entry.error(`${name}: an address without "family"`, {
      hint: '"ip -br" leaves it out, and numbers, MACs and MTUs: make the file with "ip -j addr", without -br',
    });
  if (fields.family !== 'inet' && fields.family !== 'inet6') return;
  const family: Family = fields.family === 'inet' ? 4 : 6;
  const local = entry.text('local');
  const address = local === undefined ? undefined : parseAddress(local, family);
  const prefix = entry.number('prefixlen', widthOf(family));
  if (address === undefined || prefix === undefined)
    throw entry.error(`${name}: cannot read the address ${JSON.stringify(fields.local)}/${fields.prefixlen}`, { at: 'local' });
  const broadcastText = family === 4 ? entry.text('broadcast') : undefined;
  const broadcast = broadcastText === undefined ? undefined : parseAddress(broadcastText, 4);
  if (broadcastText !== undefined && broadcast === undefined)
    throw entry.error(`${name}: cannot read the broadcast address ${shown(broadcastText)}`, { at: 'broadcast' });
  addresses.push({ family, address, prefix, ...(broadcast === undefined ? {} : { broadcast }) });
}

function macOf(value: string | undefined): number[] | undefined {
  if (value === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) return undefined;
  return value.split(':').map((byte) => Number.parseInt(byte, 16));
}
