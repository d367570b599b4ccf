/** `-m cluster`: which node of a cluster the source of the connection belongs to. Kernel: net/netfilter/xt_cluster.c. Without a connection it never matches, inverted or not. */
import { SPECIAL_CLUSTER } from '../abi/special.ts';
import type { Words } from '../model/ruleset.ts';
import { swapped } from '../packet/bytes.ts';
import { jhash2 } from '../packet/jhash.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, hex, option } from './given.ts';

export interface ClusterOptions {
  nodes: number;
  /** A bit for each node, the first lowest. */
  mask: number;
  seed: number;
  invert: boolean;
}

const MOST_NODES = 32;
const U32 = 0xffffffff;
const specs = [
  option('cluster-total-nodes'),
  option('cluster-local-node', { invertible: true }),
  option('cluster-local-nodemask', { invertible: true }),
  option('cluster-hash-seed'),
];
const LOCAL = ['cluster-local-node', 'cluster-local-nodemask'] as const;

export const cluster: MatchExtension<ClusterOptions> = {
  name: 'cluster',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'node of a cluster, by a hash of the source of the connection',
  needsConntrack: true,

  parse(given, context) {
    const all = new Given('cluster', specs, given, context);
    const total = all.need('cluster-total-nodes', '--cluster-total-nodes 2');
    const nodes = all.number(total, MOST_NODES, 1);
    const seed = all.number(all.need('cluster-hash-seed', '--cluster-hash-seed 0xdeadbeef'), U32);
    all.exclusive(LOCAL);
    all.needOne(LOCAL, '--cluster-local-node 1');
    const [node, nodemask] = LOCAL.map((name) => all.get(name));
    if (node !== undefined) {
      const number = all.number(node, MOST_NODES, 1);
      if (number > nodes) throw all.wants(node, `a node from 1 to --cluster-total-nodes, which is ${nodes}`);
      return { nodes, mask: (1 << (number - 1)) >>> 0, seed, invert: node.invert };
    }
    // iptables takes no mask above 32.
    const mask = all.number(nodemask!, MOST_NODES, 1);
    if (mask >= 2 ** nodes) throw all.wants(nodemask!, `bits of ${nodes} nodes, as --cluster-total-nodes says`);
    return { nodes, mask, seed, invert: nodemask!.invert };
  },

  print: ({ nodes, mask, seed, invert }) =>
    `${bang(invert)} --cluster-local-nodemask ${hex(mask, 8)} --cluster-total-nodes ${nodes} --cluster-hash-seed ${hex(seed, 8)}`,

  evaluate({ nodes, mask, seed, invert }, packet) {
    const { connection } = packet;
    // The kernel turns packets for a multicast MAC into ones for this host, for the cluster's nodes share such an address.
    if (packet.packetType === 'multicast' && !isMulticast(packet.destination)) packet.packetType = 'unicast';
    if (connection === null || connection.template) return false;
    // Of an IPv6 address xt_cluster.c hashes the first word, too: NF_CT_TUPLE_L3SIZE counts words, where it takes it for bytes.
    const [first = 0] = connection.masterSource ?? connection.original.source;
    const hash = jhash2([swapped(first)], seed);
    const node = Number((BigInt(hash) * BigInt(nodes)) >> 32n);
    return ((mask >>> node) & 1) !== (invert ? 1 : 0);
  },

  lower: ({ nodes, mask, seed, invert }) => [
    { kind: 'special', code: SPECIAL_CLUSTER, parameters: [nodes, mask, seed, invert ? 1 : 0], stateful: true },
  ],

  generate(draw) {
    const nodes = draw.pick([1, 2, 2, 3, 5, 32]);
    const mask = draw.integer(1, Math.min(MOST_NODES, 2 ** nodes - 1));
    // What iptables-save prints of a node above the sixth, iptables-restore refuses.
    const local = draw.chance(0.5) ? [LOCAL[0], String(draw.integer(1, Math.min(nodes, 6)))] : [LOCAL[1], String(mask)];
    const seed = draw.pick(['0', '0xdeadbeef', '4294967295', String(draw.integer(1, 1 << 20))]);
    const words = [`--${local[0]}`, local[1]!, '--cluster-total-nodes', String(nodes), '--cluster-hash-seed', seed];
    return draw.chance(0.3) ? ['!', ...words] : words;
  },

  show: (_, { connection }) => (connection === null ? 'no connection' : 'source of the connection'),
};

const isMulticast = (address: Words): boolean =>
  address[0]! >>> (address.length === 1 ? 28 : 24) === (address.length === 1 ? 14 : 0xff);
