/** The way back to a packet's source, as `-m rpfilter` looks for it (rpfilter_lookup_reverse of net/ipv4/netfilter/ipt_rpfilter.c, rpfilter_lookup_reverse6 of net/ipv6/netfilter/ip6t_rpfilter.c). */
import type { Host, Route } from '../model/host.ts';
import * as ipv6 from '../packet/ipv6.ts';
import type { PacketView } from '../packet/view.ts';
import { covers, isOfLocalTable, type Routes } from './routes.ts';

export interface Wanted {
  /** Through any device. */
  loose: boolean;
  /** An address of this host will do. */
  acceptLocal: boolean;
}

/** With --forward nobody knows the ways back, so they are taken to be right. */
export function leadsBack(packet: PacketView, wanted: Wanted, host: Host, routes: Routes): boolean {
  if (host.forward) return true;
  return packet.family === 4 ? leadsBack4(packet, wanted, host, routes) : leadsBack6(packet, wanted, host);
}

function leadsBack4({ source, inInterface }: PacketView, { loose, acceptLocal }: Wanted, host: Host, routes: Routes): boolean {
  const through = (device: string | undefined): boolean => loose || device === inInterface;
  const found = routes.localTable(4, source) ?? routes.outward(4, source) ?? 'none';
  if (found === 'none') return host.out !== undefined && through(host.out);
  if (found.type === 'local') return acceptLocal && through(found.device);
  return found.type === 'unicast' && through(found.device);
}

/** A link-local source is looked for at the device alone. Of routes to the same network the one through the device is taken; an own address has no device. */
function leadsBack6({ source, inInterface }: PacketView, { loose, acceptLocal }: Wanted, host: Host): boolean {
  const linkLocal = ipv6.isLinkLocal(source);
  const fitting = host.routes.filter(
    (route) => route.family === 6 && covers(route, source) && (!linkLocal || route.device === inInterface),
  );
  const [own] = longest(fitting.filter(isOfLocalTable));
  if (own !== undefined) return own.type === 'local' && acceptLocal;
  const others = longest(fitting.filter((route) => !isOfLocalTable(route)));
  if (others.length === 0) return host.out === inInterface || (loose && !linkLocal && host.out !== undefined);
  if (others.some(({ type, device }) => type === 'unicast' && device === inInterface)) return true;
  return loose && others[0]!.type === 'unicast';
}

/** Those with the longest prefix, the lowest metric first. */
function longest(routes: readonly Route[]): Route[] {
  const most = Math.max(...routes.map(({ prefix }) => prefix));
  return routes.filter(({ prefix }) => prefix === most).sort((a, b) => a.metric - b.metric);
}
