/** Small pools, so that rules and packets meet. Addresses are of test networks; nothing is ever sent outside a namespace. */
import type { Pools } from '../extensions/extension.ts';
import type { Family } from '../model/ruleset.ts';

/** The host's own address in topology `host`. */
export const LOCAL: Record<Family, string> = { 4: '10.9.0.1', 6: '2001:db8:9::1' };
/** Of the network that the host has an address of, where it has more than that. */
export const LOCAL_BROADCAST = '10.9.0.255';

/** The others. */
export const REMOTE: Record<Family, readonly string[]> = {
  4: ['10.9.0.2', '10.9.0.3', '10.9.1.2', '192.0.2.77', '198.51.100.200'],
  // The last one is made from a MAC, as eui64 wants it.
  6: ['2001:db8:9::2', '2001:db8:9::3', '2001:db8:9:1::2', '2001:db8:ff::77', 'fd00::200', '2001:db8:9::ff:fe00:99'],
};

/** Addresses that have a way of their own through the stack. */
export const STRANGERS: Record<Family, readonly string[]> = {
  4: [
    '0.0.0.0',
    '0.0.0.1',
    '127.0.0.1',
    '255.255.255.255',
    '224.0.0.1',
    '224.0.0.5',
    '239.1.2.3',
    '10.9.0.255',
    '169.254.1.1',
    '240.0.0.1',
  ],
  6: ['::', '::1', '::ffff:10.9.0.2', 'ff01::1', 'ff02::1', 'ff02::2', 'ff02::1:ff00:1', 'ff05::2', 'ff0e::1', 'fe80::1'],
};

export const PORTS: readonly number[] = [22, 25, 53, 80, 443, 1023, 1024, 40000, 65535];

/** Number of the device that cooked captures (SLL2) were taken at. */
export const DEVICE_INDEX = 2;

/** Of the device that frames come to. */
export const OWN_MAC = '02:00:00:00:00:01';
export const MACS: readonly string[] = ['02:00:00:00:00:99', '02:00:00:00:00:98', '02:00:00:00:01:99'];

/** What rules draw their values from. */
export function rulePools(family: Family): Pools {
  return {
    addresses: [LOCAL[family], ...REMOTE[family]],
    ports: PORTS,
    interfaces: ['eth0', 'eth1', 'eth+', 'wlan0', 'lo'],
    marks: [0, 1, 2, 0xff],
    macs: MACS,
  };
}
