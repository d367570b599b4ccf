/** `replay --dump-*`: what was remembered of the packets at the end, as the tools or files of Linux show it. */
import { type Command, Option } from 'commander';
import type { RunOptions, RunOutcome } from '../replay/run.ts';
import { conntrackLine, expectationLine } from '../report/conntrack.ts';
import { nfacctLine } from '../report/nfacct.ts';
import { hashlimitLines, recentLines } from '../report/proc-tables.ts';
import { saveIpsets } from '../syntax/index.ts';
import { LineFile } from './line-file.ts';
import type { Written } from './overwrite.ts';

export interface DumpOptions {
  dumpConntrack?: string;
  dumpExpect?: string;
  dumpIpset?: string;
  dumpRecent?: string;
  dumpHashlimit?: string;
  dumpNfacct?: string;
}

interface Dump {
  key: keyof DumpOptions;
  /** Without dashes. */
  option: string;
  about: string;
  /** What a run tells only when it is asked. */
  asks?: keyof RunOptions & keyof RunOutcome;
  /** It tells what all packets did together: threads that share them know it each in part. */
  whole?: true;
  /** The lines of the file. */
  lines(outcome: RunOutcome): readonly string[];
}

const DUMPS: readonly Dump[] = [
  {
    key: 'dumpConntrack',
    option: 'dump-conntrack',
    about: 'the connections at the end, as conntrack -L -o extended prints them',
    asks: 'connections',
    lines: ({ connections = [] }) => connections.map(conntrackLine),
  },
  {
    key: 'dumpExpect',
    option: 'dump-expect',
    about: 'the connections that helpers (CT --helper) wait for at the end, as conntrack -L expect prints them',
    asks: 'connections',
    lines: ({ expectations = [] }) => expectations.map(expectationLine),
  },
  {
    key: 'dumpIpset',
    option: 'dump-ipset',
    about: 'the sets of --ipset at the end, as ipset -sorted save prints them',
    asks: 'sets',
    whole: true,
    lines: ({ sets = [] }) => saveIpsets(sets).split('\n').slice(0, -1),
  },
  {
    key: 'dumpRecent',
    option: 'dump-recent',
    about: 'the lists of recent at the end, as tail -v -n +1 /proc/net/xt_recent/* prints them',
    asks: 'recent',
    whole: true,
    lines: ({ recent = [] }) => recentLines(recent),
  },
  {
    key: 'dumpHashlimit',
    option: 'dump-hashlimit',
    about: 'the tables of hashlimit at the end, as tail -v -n +1 /proc/net/ip*_hashlimit/* prints them',
    asks: 'hashlimit',
    whole: true,
    lines: ({ hashlimit = [] }) => hashlimitLines(hashlimit),
  },
  {
    key: 'dumpNfacct',
    option: 'dump-nfacct',
    about: 'the objects of nfacct at the end, as nfacct list prints them',
    lines: ({ result: { nfacct = [] } }) => nfacct.map(nfacctLine),
  },
];

/** The options of all dumps. */
export function addDumps(command: Command): void {
  for (const { option, about } of DUMPS)
    command.addOption(
      new Option(`--${option} <file>`, `${about} (- is standard output, the report goes to standard error then)`),
    );
}

/** One that threads cannot tell, by its option. */
export const wholeDump = (options: DumpOptions): string | undefined =>
  DUMPS.find(({ key, whole }) => whole === true && options[key] !== undefined)?.option;

/** Where dumps go that were asked for. */
export const dumpsOf = (options: DumpOptions): Written[] =>
  DUMPS.flatMap(({ key, option }) => {
    const path = options[key];
    return path === undefined ? [] : [{ option: `--${option}`, path }];
  });

/** The files of all dumps that were asked for, made before the work begins. */
export class Dumps {
  readonly #files: readonly { dump: Dump; file: LineFile }[];

  /** `onUnread` as for a LineFile. @throws a system error when a file cannot be made. */
  constructor(options: DumpOptions, onUnread: () => void) {
    this.#files = DUMPS.flatMap((dump) => {
      const path = options[dump.key];
      return path === undefined ? [] : [{ dump, file: new LineFile(`--${dump.option}`, path, onUnread) }];
    });
  }

  /** What a run must tell at its end. */
  asks(): Partial<RunOptions> {
    return Object.fromEntries(this.#files.flatMap(({ dump: { asks } }) => (asks === undefined ? [] : [[asks, true]])));
  }

  write(outcome: RunOutcome): void {
    for (const { dump, file } of this.#files) {
      for (const line of dump.lines(outcome)) file.write(line);
      file.flush();
    }
  }

  close(): void {
    for (const { file } of this.#files) file.close();
  }
}
