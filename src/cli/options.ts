/** Options that several commands share, and how their words become the model. */
import { type Command, Option } from 'commander';
import { ANNOTATION_WORDS, AnnotationError, type Annotations, readAnnotations } from '../model/annotations.ts';
import { HostError } from '../model/errors.ts';
import type { HostGiven } from '../model/host-build.ts';
import { type IpFlag, shown, wantedList } from '../model/ip-json.ts';
import { beginningOf, JsonError, readJson } from '../model/json-place.ts';
import { DEFAULT_PROFILE, HIGHEST_SYSCTL, KERNELS, type Kernel, type Profile } from '../model/profile.ts';
import type { Family } from '../model/ruleset.ts';
import { UsageError } from './exit.ts';
import { readGiven } from './files.ts';
import { readSysctls } from './sysctl.ts';

export interface RuleOptions {
  rules: string[];
  rules6?: string;
  ipset?: string;
  osf?: string;
  ipv4?: boolean;
  ipv6?: boolean;
  repair?: boolean;
  unsupported: 'refuse' | 'assume-miss' | 'assume-hit';
}

export interface HostOptions {
  local?: string[];
  in?: string;
  out?: string;
  forward?: boolean;
  addr?: string;
  maddr?: string;
  annotate?: string;
  route?: string[];
  proxy?: string[];
  localMark?: string;
}

export interface ProfileOptions {
  backend: 'legacy' | 'nft';
  kernel: Kernel;
  hz: number;
  prestack: 'kernel' | 'lenient';
  checksums?: 'wire' | 'offload';
  sysctl: string[];
  conntrackMax?: number;
  seed?: number;
  nfqueue?: 'absent' | 'accept' | 'drop';
}

export const many = (value: string, before: string[] = []): string[] => [...before, value];

/** Of an option with one value the last one would win in silence: given twice it is refused. Those that collect their values (`many`, lists) and flags may come again. */
export function refuseTwice(command: Command): void {
  for (const option of command.options) {
    if (!option.required || option.variadic || option.parseArg === many) continue;
    let before: string | undefined;
    command.on(`option:${option.name()}`, (value: string) => {
      if (before !== undefined)
        throw new UsageError(`${option.long ?? option.short} is given twice, with "${before}" and "${value}": give it once`);
      before = value;
    });
  }
}

/** A file has a name. Without one (a shell's variable that is not set) an option is refused before anything is opened. */
export function refuseNameless(command: Command): void {
  for (const option of command.options) {
    if (!option.flags.includes('<file')) continue;
    command.on(`option:${option.name()}`, (value: string) => {
      if (value === '') throw new UsageError(`${option.long ?? option.short} wants the name of a file, and got an empty one`);
    });
  }
}

/** An option that nobody knows is told before one that is missing: it may be that one, misspelt. */
export function unknownFirst(command: Command): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => {
    const parsed = parse(words);
    if (parsed.unknown.length > 0) for (const option of command.options) option.mandatory = false;
    return parsed;
  };
}

/** -R, --rules6, --ipset, -4, -6, --repair, --unsupported. `several`: what more than one -R is good for. */
export function addRuleOptions(command: Command, several = ''): Command {
  return command
    .optionsGroup('Rules:')
    .addOption(
      new Option('-R, --rules <file>', `iptables-save text, a script of iptables commands, or bare rules${several}`)
        .argParser(many)
        .makeOptionMandatory(),
    )
    .option('--rules6 <file>', 'the IPv6 rules of a dual-stack host, beside the IPv4 ones of -R')
    .option('--ipset <file>', 'the sets that rules ask (-m set), as "ipset save" prints them')
    .option('--osf <file>', 'fingerprints of systems (-m osf), as nfnl_osf reads them (pf.os)')
    .option('-4, --ipv4', 'the rules are IPv4 (told from the text otherwise)')
    .option('-6, --ipv6', 'the rules are IPv6 (told from the text otherwise)')
    .option(
      '--repair',
      'take rules out of mails and web pages: put en dashes, quote marks, wraps... right, skip prose, and say so',
    )
    .addOption(
      new Option(
        '--unsupported <how>',
        'matches and targets wasmtables does not know: refuse the rules, or take them for never or always matching',
      )
        .choices(['refuse', 'assume-miss', 'assume-hit'])
        .default('refuse'),
    );
}

/** --local, --in, --out, --forward, --addr, --maddr, --route, --proxy, --local-mark. */
export function addHostOptions(command: Command): Command {
  return command
    .optionsGroup('Host (guessed from the capture when nothing is given):')
    .addOption(
      new Option(
        '--local <address,...>',
        "the host's own addresses, each ADDRESS[/PREFIX][@INTERFACE]; may be given several times",
      ).argParser(many),
    )
    .option('--in <interface>', 'where packets arrive')
    .option('--out <interface>', 'where packets leave')
    .option('--forward', 'a router: every packet enters at --in and leaves at --out')
    .option('--addr <file>', 'its addresses, as "ip -j addr" prints them')
    .option('--maddr <file>', 'groups it has joined, as "ip -j maddr" prints them')
    .addOption(new Option('--route <file>', 'its routes, as "ip -j route" prints them; twice for IPv4 and IPv6').argParser(many))
    .addOption(
      new Option(
        '--proxy <socket>',
        'a transparent socket that TPROXY gives packets to: tcp:PORT, udp:ADDRESS:PORT; may be given several times',
      ).argParser(many),
    )
    .option('--local-mark <value/mask>', 'packets with this mark are for the host itself (ip rule add fwmark, local default)');
}

/** --backend, --kernel, --hz, --sysctl, --conntrack-max, --prestack, --checksums, --seed, --nfqueue. */
export function addProfileOptions(command: Command): Command {
  return command
    .optionsGroup('Kernel:')
    .addOption(new Option('--backend <name>', 'which iptables').choices(['legacy', 'nft']).default(DEFAULT_PROFILE.backend))
    .addOption(
      new Option('--kernel <version>', 'the kernel the answers are for').choices(KERNELS).default(DEFAULT_PROFILE.kernel),
    )
    .addOption(
      new Option('--hz <n>', 'CONFIG_HZ of that kernel').argParser(wholeNumber('--hz', 1, 100_000)).default(DEFAULT_PROFILE.hz),
    )
    .addOption(
      new Option('--sysctl <name=value>', 'for example nf_conntrack_tcp_loose=0; may be given several times')
        .argParser(many)
        .default([], ''),
    )
    .addOption(
      new Option(
        '--conntrack-max <n>',
        'connections at most, as --sysctl nf_conntrack_max=N; 0 (the default): no limit',
      ).argParser(wholeNumber('--conntrack-max', 0, HIGHEST_SYSCTL)),
    )
    .addOption(
      new Option('--prestack <how>', 'kernel: drop what ip_rcv drops; lenient: forgive offloading NICs and cut captures')
        .choices(['kernel', 'lenient'])
        .default(DEFAULT_PROFILE.prestack),
    )
    .addOption(
      new Option(
        '--checksums <how>',
        'TCP and UDP checksums, wire: are what their bytes say; offload: those that were left to a device are right (told from the first packets otherwise)',
      ).choices(['wire', 'offload']),
    )
    .addOption(
      new Option('--seed <n>', 'of what the kernel draws at random (statistic --mode random)').argParser(
        wholeNumber('--seed', 0, 0xffffffff),
      ),
    )
    .addOption(
      new Option('--nfqueue <verdict>', 'what a program at a queue says; absent (the default): none listens').choices([
        'absent',
        'accept',
        'drop',
      ]),
    );
}

/** --annotate. */
export function addAnnotations(command: Command): Command {
  return command.option(
    '--annotate <file>',
    `what no capture holds, one JSON object a line: {"packet": 7, "uid": 1000}; words are ${ANNOTATION_WORDS.join(', ')}`,
  );
}

/** What the file of --annotate tells; nothing without it. */
export function annotationsOf({ annotate }: { annotate?: string }): { annotations?: Annotations } {
  if (annotate === undefined) return {};
  try {
    return { annotations: readAnnotations(new TextDecoder().decode(readGiven(annotate)), annotate) };
  } catch (error) {
    throw error instanceof AnnotationError ? new UsageError(`--annotate: ${error.message}`) : error;
  }
}

/** A parser for commander that takes a decimal number between two bounds. */
export function wholeNumber(name: string, low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high))
      throw new UsageError(`${name} wants a whole number from ${low} to ${high}, got "${text}"`);
    return value;
  };
}

/** The family forced by -4 or -6. */
export function forcedFamily(options: RuleOptions): Family | undefined {
  if (options.ipv4 === true && options.ipv6 === true) throw new UsageError('-4 and -6 exclude each other');
  if (options.ipv4 === true) return 4;
  return options.ipv6 === true ? 6 : undefined;
}

/** The profile. */
export function profileOf(options: ProfileOptions): Profile {
  const { backend, kernel, hz, prestack, checksums, seed, nfqueue } = options;
  const sysctls = readSysctls(options.sysctl, hz);
  if (options.conntrackMax !== undefined) {
    if (sysctls.nf_conntrack_max !== undefined)
      throw new UsageError(
        `--conntrack-max ${options.conntrackMax} and --sysctl nf_conntrack_max=${sysctls.nf_conntrack_max} are the same limit: give one of them`,
      );
    sysctls.nf_conntrack_max = options.conntrackMax;
  }
  const rare = {
    ...(checksums === undefined ? {} : { checksums }),
    ...(seed === undefined ? {} : { seed }),
    ...(nfqueue === undefined ? {} : { nfqueue }),
  };
  return { backend, kernel, hz, prestack, sysctls, ...rare };
}

/** The host flags as the model wants them; undefined when none was given (then it is guessed). */
export function hostGiven(options: HostOptions): HostGiven | undefined {
  if (options.forward === true && options.local !== undefined)
    throw new UsageError('--forward says that no packet is for the host itself, --local that some are: give one of them');
  const given: HostGiven = {};
  if (options.local !== undefined) given.local = options.local.flatMap(addressList);
  if (options.in !== undefined) given.in = interfaceName('--in', options.in);
  if (options.out !== undefined) given.out = interfaceName('--out', options.out);
  if (options.forward === true) given.forward = true;
  if (options.addr !== undefined) given.addresses = jsonFile('--addr', options.addr);
  if (options.maddr !== undefined && options.addr === undefined && options.local === undefined && options.forward !== true)
    throw new UsageError('--maddr tells groups, not addresses: give --addr, --local or --forward, too');
  if (options.maddr !== undefined) given.groups = jsonFile('--maddr', options.maddr);
  if (options.proxy !== undefined) given.proxies = options.proxy;
  if (options.localMark !== undefined) given.localMark = options.localMark;
  if (options.route !== undefined) given.routes = options.route.map((file) => jsonFile('--route', file));
  return Object.keys(given).length === 0 ? undefined : given;
}

function addressList(text: string): string[] {
  const addresses = text.split(',').map((part) => part.trim());
  if (addresses.includes('')) throw new UsageError(`--local wants addresses with commas between them, got "${text}"`);
  return addresses;
}

function interfaceName(flag: string, name: string): string {
  if (name === '' || name.length > 15 || /[\s/]/.test(name)) {
    throw new UsageError(`${flag} wants an interface name of 1 to 15 characters, got "${name}"`);
  }
  return name;
}

function jsonFile(flag: IpFlag, file: string): unknown {
  const text = new TextDecoder().decode(readGiven(file));
  const name = file === '-' ? 'standard input' : file;
  // Not with the file's own name: what was named by mistake would be written over.
  const hint = `make it with "ip -j ${flag.slice(2)}${file === '-' ? '"' : ` > ${flag.slice(2)}.json"`}`;
  try {
    const value = readJson(text, name);
    if (typeof value === 'object' && value !== null) return value;
    throw new HostError(`${wantedList(flag)}, got ${shown(value)}`, { ...beginningOf({ file: name, text }), hint });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new HostError(`${flag}: ${name} is not JSON: ${error.message}`, { ...error.place, hint });
  }
}

/** Files that are read beside the captures. */
export const inputsOf = ({ rules, rules6, ipset, osf, addr, maddr, annotate, route }: RuleOptions & HostOptions): string[] =>
  [...rules, rules6, ipset, osf, addr, maddr, annotate, ...(route ?? [])].filter((path) => path !== undefined);

/** @throws UsageError when more than one of the files is standard input, which can be read once. */
export function checkInputs(paths: readonly string[]): void {
  if (paths.filter((path) => path === '-').length > 1)
    throw new UsageError('standard input can be one file only: "-" stands twice');
}
