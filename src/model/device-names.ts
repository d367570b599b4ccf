/** Which names devices have (net/core/dev.c, dev_valid_name). */
import { type IpEntry, shown } from './ip-json.ts';

const LONGEST = 15;

/** @throws HostError where no device has such a name; `field`: where it stands. */
export function checkDeviceName(entry: IpEntry, field: string, name: string): void {
  const isOne =
    name !== '' && name !== '.' && name !== '..' && !/[\s/:\0]/.test(name) && new TextEncoder().encode(name).length <= LONGEST;
  if (isOne) return;
  throw entry.error(`"${field}" wants the name of a device (1 to ${LONGEST} bytes, no blanks, / or :), got ${shown(name)}`, {
    at: field,
  });
}
