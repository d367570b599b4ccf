/** What extensions may ask of the host model. */
import type { Host } from '../model/host.ts';
import type { EvaluateContext } from '../packet/view.ts';
import { leadsBack } from './reverse-path.ts';
import type { Routes } from './routes.ts';

type Asked = Pick<EvaluateContext, 'addressType' | 'mtu' | 'firstAddress' | 'proxies' | 'wayBack' | 'leadsBack'>;

export const askedOfHost = (host: Host, routes: Routes): Asked => ({
  addressType: (family, address, device) => routes.addressType(family, address, device),
  mtu: (device) => routes.interfaceNamed(device)?.mtu,
  firstAddress: (device, family) => routes.firstAddress(device, family),
  proxies: host.proxies ?? [],
  wayBack: (family, source) => routes.wayBack(family, source),
  leadsBack: (packet, wanted) => leadsBack(packet, wanted, host, routes),
});
