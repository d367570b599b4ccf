/** The stack's decisions about a decoded packet. */
import { addressTypeOnDevice } from './address-type.ts';
import { stackInit } from './host.ts';
import { setLongestFragment } from './mtu.ts';
import { routePacket, routePlain } from './way.ts';

export { addressTypeOnDevice, routePacket, routePlain, setLongestFragment, stackInit };
