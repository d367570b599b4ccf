/** `--maddr`: the groups that devices have joined, as `ip -j maddr` prints them. */
import { parseAddress } from './address.ts';
import { HostError } from './errors.ts';
import { type Host, interfaceNamed, type JoinedGroup } from './host.ts';
import { type IpEntry, ipEntries, shown } from './ip-json.ts';
import { placeOf } from './json-place.ts';
import type { Family } from './ruleset.ts';

const FAMILIES: Readonly<Record<string, Family>> = { inet: 4, inet6: 6 };

/** Gives the host the groups of a file. What of it is about the link alone (`link`) no packet of IP is asked about. @throws HostError. */
export function readGroups(host: Host, json: unknown): void {
  const list = ipEntries(json, '--maddr').filter(({ fields }) => Object.keys(fields).length > 0);
  if (!list.some(({ fields }) => fields.maddr !== undefined))
    throw new HostError('--maddr: no "maddr" in it, so no group', { ...placeOf(json, [0]), hint: 'make it with "ip -j maddr"' });
  host.groups = list.flatMap((entry) => {
    const name = entry.text('ifname');
    if (name === undefined) throw entry.error(`an entry without "ifname": ${shown(entry.fields)}`);
    const device = interfaceNamed(host, name).name;
    return entry.entries('maddr', `${name}: `).flatMap((group) => readGroup(device, group));
  });
}

function readGroup(device: string, entry: IpEntry): JoinedGroup[] {
  const family = FAMILIES[entry.text('family') ?? ''];
  if (family === undefined) return [];
  const address = parseAddress(entry.text('address') ?? '', family);
  const isGroup = address !== undefined && (family === 4 ? address[0]! >>> 28 === 14 : address[0]! >>> 24 === 0xff);
  if (!isGroup) throw entry.error(`${device}: ${shown(entry.fields.address)} is no group`, { at: 'address' });
  return [{ family, address, device }];
}
