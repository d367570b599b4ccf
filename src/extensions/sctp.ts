/** `-m sctp`: ports and chunk types. Kernel: net/netfilter/xt_sctp.c. */
import { FIELD_DPORT, FIELD_SPORT } from '../abi/fields.ts';
import { SPECIAL_SCTP_CHUNKS, TEST_HOTDROP, TEST_HOTDROP_MATCHED } from '../abi/special.ts';
import type { Test } from '../model/predicate.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';
import { generatePorts, type PortRange, portAt, portMatches, readPorts } from './ports.ts';
import { CHUNK_WORDS, type ChunkTypes, chunksMatch, printChunkTypes, readChunkTypes } from './sctp-chunks.ts';
import { notFragment, range, transportHas } from './tests.ts';

export interface SctpOptions {
  sourcePort?: PortRange;
  destinationPort?: PortRange;
  chunks?: ChunkTypes;
}

const specs = [
  option(['source-port', 'sport'], { invertible: true }),
  option(['destination-port', 'dport'], { invertible: true }),
  option('chunk-types', { argument: 'two', invertible: true }),
];
const HEADER = 12;
const WAYS = { any: 0, all: 1, only: 2 } as const;

export const sctp: MatchExtension<SctpOptions> = {
  name: 'sctp',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'SCTP ports and chunk types',
  legality: { protocols: [132] },
  implicitFor: [132],

  parse(given, context) {
    const all = new Given('sctp', specs, given, context);
    const source = all.get('source-port');
    const destination = all.get('destination-port');
    const chunks = all.get('chunk-types');
    return {
      ...(source === undefined ? {} : { sourcePort: readPorts(all, source, 'sctp') }),
      ...(destination === undefined ? {} : { destinationPort: readPorts(all, destination, 'sctp') }),
      ...(chunks === undefined ? {} : { chunks: readChunkTypes(all, chunks) }),
    };
  },

  print({ sourcePort, destinationPort, chunks }) {
    const ports = printRange('sport', sourcePort) + printRange('dport', destinationPort);
    return chunks === undefined ? ports : ports + printChunkTypes(chunks);
  },

  evaluate({ sourcePort, destinationPort, chunks }, { fragmentOffset, transport }, { profile }) {
    if (fragmentOffset !== 0) return false;
    if (transport.length < HEADER) return 'hotdrop';
    if (!portMatches(sourcePort, portAt(transport, 0)) || !portMatches(destinationPort, portAt(transport, 2))) return false;
    if (chunks === undefined) return true;
    const found = chunksMatch(chunks, transport);
    // The kernel's match says no and to drop the packet; the inversion makes it a yes, to which only ip_tables listens.
    if (found === 'malformed') return chunks.invert && profile.backend === 'legacy' ? 'hotdrop-matched' : 'hotdrop';
    return found !== chunks.invert;
  },

  lower({ sourcePort, destinationPort, chunks }, { profile }) {
    const tests = [
      notFragment(),
      transportHas(HEADER, 'hotdrop'),
      ...within(FIELD_SPORT, sourcePort),
      ...within(FIELD_DPORT, destinationPort),
    ];
    if (chunks === undefined) return tests;
    const parameters = chunkParameters(chunks, profile.backend === 'legacy');
    return [...tests, { kind: 'special', code: SPECIAL_SCTP_CHUNKS, parameters, stateful: false }];
  },

  generate(draw, pools) {
    const out: string[] = [];
    const not = (): string[] => (draw.chance(0.2) ? ['!'] : []);
    if (draw.chance(0.3)) out.push(...not(), '--sport', generatePorts(draw, pools));
    if (draw.chance(0.4)) out.push(...not(), '--dport', generatePorts(draw, pools));
    if (draw.chance(0.6)) out.push(...not(), '--chunk-types', draw.pick(['any', 'any', 'all', 'only']), generateChunks(draw));
    return out;
  },

  show(_, { fragmentOffset, transport }) {
    if (transport.length < HEADER) return `${transport.length} bytes of SCTP`;
    const types = transport.length > HEADER ? `, first chunk type ${transport[HEADER]}` : ', no chunk';
    const said = `sport ${portAt(transport, 0)}, dport ${portAt(transport, 2)}${types}`;
    return fragmentOffset === 0 ? said : `fragment at offset ${fragmentOffset} (${said})`;
  },
};

function generateChunks(draw: Parameters<typeof sctp.generate>[0]): string {
  if (draw.chance(0.1)) return draw.pick(['ALL', 'NONE']);
  // The first few are those that most packets have.
  const word = (): string => (draw.chance(0.7) ? CHUNK_WORDS[draw.integer(0, 11)]! : draw.pick(CHUNK_WORDS));
  return Array.from({ length: draw.pick([1, 1, 2, 4]) }, word).join(',');
}

/** The whole range is printed, too. */
function printRange(name: string, ports: PortRange | undefined): string {
  if (ports === undefined) return '';
  return `${bang(ports.invert)} --${name} ${ports.low === ports.high ? ports.low : `${ports.low}:${ports.high}`}`;
}

function within(field: number, ports: PortRange | undefined): Test[] {
  return ports === undefined ? [] : [range(field, ports.low, ports.high, ports.invert)];
}

/** In the order of abi/special.ts. */
function chunkParameters({ way, types, flags, invert }: ChunkTypes, legacy: boolean): number[] {
  const map = new Uint32Array(8);
  for (const type of types) map[type >>> 5]! |= 1 << (type & 31);
  const asked = [0, 1, 2]
    .map((place) => flags[place])
    .map((one) => (one === undefined ? 0xffffffff : (one.type << 16) | (one.mask << 8) | one.value));
  return [WAYS[way], invert ? 1 : 0, invert && legacy ? TEST_HOTDROP_MATCHED : TEST_HOTDROP, ...map, ...asked];
}
